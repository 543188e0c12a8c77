/* Documents of the daemon on standard output, in the formats of -o. */
#ifndef ER_ADMIN_CTL_PRINT_H
#define ER_ADMIN_CTL_PRINT_H

#include "admin/ctl_output.h"
#include "rules/base/json.h"

/* One column of a table: a header and how its cell is made. */
struct er_ctl_column {
    const char *header;
    const char *path; /* member, or member.member */
    bool wide;        /* only with -o wide */
};

/* A list that is printed while it comes in: begin, any number of items, end (in every case; whole = false: something failed, an
 * empty list is not shown as such). */
struct er_ctl_list {
    const struct er_ctl *ctl;
    const struct er_ctl_column *columns; /* ends with a NULL header */
    struct er_ctl_table *table;
    size_t n;
};
void er_ctl_list_begin(struct er_ctl_list *list, const struct er_ctl *ctl, const struct er_ctl_column *columns);
bool er_ctl_list_item(void *list, const struct er_json *item); /* an er_ctl_item_cb */
void er_ctl_list_end(struct er_ctl_list *list, bool whole);

/* One document: table and wide as lines "member  value" (members of objects as path, a pattern as JSON), name as its id. */
void er_ctl_print_document(const struct er_ctl *ctl, const struct er_json *document);

/* The document on one line, without the members named in skip (ends with NULL; may be NULL itself). */
void er_ctl_print_line(const struct er_json *document, const char *const *skip);

/* One changed document: "created    ID"; name: the id; json, jsonl: {"created":ID}. verb is a past participle. */
void er_ctl_print_change(const struct er_ctl *ctl, const char *verb, struct er_str id);

#endif
