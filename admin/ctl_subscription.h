/* The verbs of `eventrouterctl subscription` that have a file of their own. */
#ifndef ER_ADMIN_CTL_SUBSCRIPTION_H
#define ER_ADMIN_CTL_SUBSCRIPTION_H

#include "admin/ctl_call.h"

enum er_ctl_exit er_ctl_run_subscription_add(const struct er_ctl *ctl, const struct er_ctl_args *args);
enum er_ctl_exit er_ctl_run_subscription_apply(const struct er_ctl *ctl, const struct er_ctl_args *args);
enum er_ctl_exit er_ctl_run_subscription_diff(const struct er_ctl *ctl, const struct er_ctl_args *args);
enum er_ctl_exit er_ctl_run_subscription_test(const struct er_ctl *ctl, const struct er_ctl_args *args);
enum er_ctl_exit er_ctl_run_subscription_edit(const struct er_ctl *ctl, const struct er_ctl_args *args);

/* "/v1/NOUNS/ID" for each operand: DELETE, after asking once. query ("" or "?...") is added to each. */
struct er_ctl_removal {
    const char *collection; /* "/v1/subscriptions" */
    const char *singular;   /* for the question */
    const char *query;
};
enum er_ctl_exit er_ctl_remove(const struct er_ctl *ctl, const struct er_ctl_args *args, const struct er_ctl_removal *removal);

/* GET of one document by the first operand, printed. */
enum er_ctl_exit er_ctl_show(const struct er_ctl *ctl, const struct er_ctl_args *args, const char *collection);

#endif
