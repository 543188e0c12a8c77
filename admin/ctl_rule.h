/* The verbs of `eventrouterctl rule` that have a file of their own. */
#ifndef ER_ADMIN_CTL_RULE_H
#define ER_ADMIN_CTL_RULE_H

#include "admin/ctl.h"

enum er_ctl_exit er_ctl_run_rule_test(const struct er_ctl *ctl, const struct er_ctl_args *args);
enum er_ctl_exit er_ctl_run_rule_bench(const struct er_ctl *ctl, const struct er_ctl_args *args);
enum er_ctl_exit er_ctl_run_rule_explain(const struct er_ctl *ctl, const struct er_ctl_args *args);
enum er_ctl_exit er_ctl_run_rule_lint(const struct er_ctl *ctl, const struct er_ctl_args *args);
enum er_ctl_exit er_ctl_run_rule_convert(const struct er_ctl *ctl, const struct er_ctl_args *args);

#endif
