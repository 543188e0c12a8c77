#include "admin/ctl_explained.h"

#include "rules/base/json_write.h"

struct er_str er_ctl_explained_text(const struct er_json *object, const char *member)
{
    const struct er_json *value = er_json_member(object, er_str_of(member));

    return value == NULL || value->text.p == NULL ? ER_STR("") : value->text;
}

static bool is_true(const struct er_json *object, const char *member)
{
    const struct er_json *value = er_json_member(object, er_str_of(member));

    return value != NULL && value->type == ER_JSON_TRUE;
}

static void add_value(struct er_buf *out, const struct er_json *condition, const char *member, bool cut)
{
    struct er_json_writer w;

    er_jw_init(&w, out);
    er_jw_json(&w, er_json_member(condition, er_str_of(member)));
    er_buf_add(out, cut ? ER_STR("...") : ER_STR(""));
}

static void add_found(struct er_buf *out, const struct er_json *condition, bool field)
{
    if (is_true(condition, "absent")) {
        er_buf_add(out, ER_STR(", found nothing"));
    } else if (er_json_member(condition, ER_STR("actual")) != NULL) {
        er_buf_add(out, field ? ER_STR(", found ") : ER_STR(", found no object"));
        if (field) {
            add_value(out, condition, "actual", is_true(condition, "actual_truncated"));
        }
    }
}

static void add_condition(struct er_buf *out, const struct er_json *condition, size_t indent)
{
    struct er_str path = er_ctl_explained_text(condition, "path"), operator= er_ctl_explained_text(condition, "operator");
    struct er_str reason = er_ctl_explained_text(condition, "reason");
    const struct er_json *below = er_json_member(condition, ER_STR("conditions"));
    bool types = er_str_eq(operator, ER_STR("types"));

    er_buf_printf(out, "%*s%-11.*s %.*s", (int)indent, "", ER_STR_ARG(er_ctl_explained_text(condition, "outcome")),
                  ER_STR_ARG(path));
    if (!types) {
        er_buf_printf(out, "%s%.*s", path.n > 0 ? " " : "", ER_STR_ARG(operator));
    }
    if (er_json_member(condition, ER_STR("expected")) != NULL) {
        er_buf_addc(out, ' ');
        add_value(out, condition, "expected", is_true(condition, "expected_truncated"));
    }
    add_found(out, condition, below == NULL);
    if (er_json_member(condition, ER_STR("element")) != NULL) {
        er_buf_printf(out, " (element %.*s)", ER_STR_ARG(er_ctl_explained_text(condition, "element")));
    }
    if (reason.n > 0) {
        er_buf_printf(out, ": %.*s", ER_STR_ARG(reason));
    }
    er_buf_addc(out, '\n');
    for (const struct er_json *child = below == NULL ? NULL : below->first; child != NULL; child = child->next) {
        add_condition(out, child, indent + 2);
    }
}

void er_ctl_explained_conditions(struct er_buf *out, const struct er_json *item)
{
    const struct er_json *conditions = er_json_member(item, ER_STR("conditions"));

    for (const struct er_json *c = conditions == NULL ? NULL : conditions->first; c != NULL; c = c->next) {
        add_condition(out, c, 2);
    }
}

void er_ctl_explained_summary(struct er_buf *out, const struct er_json *item)
{
    struct er_str outcome = er_ctl_explained_text(item, "outcome"), failed = er_ctl_explained_text(item, "failed");
    struct er_str reason = er_ctl_explained_text(item, "reason");

    if (er_str_eq(outcome, ER_STR("failed"))) {
        er_buf_printf(out, ": %.*s condition%s failed", ER_STR_ARG(failed), er_str_eq(failed, ER_STR("1")) ? "" : "s");
    } else if (reason.n > 0) {
        er_buf_printf(out, ": %.*s", ER_STR_ARG(reason));
    }
}
