/* Subscription documents from files and directories, on their way to the daemon. */
#ifndef ER_ADMIN_CTL_DOCUMENTS_H
#define ER_ADMIN_CTL_DOCUMENTS_H

#include "admin/ctl_output.h"
#include "rules/base/json.h"

struct er_ctl_document {
    struct er_str text; /* as it stands in the file */
    const struct er_json *json;
    const char *place; /* "FILE line N" or "FILE element N", from 0; "FILE" for a file of one document */
};

/* Initialise with er_ctl_documents_new; all lives in the arena. */
struct er_ctl_documents {
    struct er_arena *arena;
    struct er_ctl_document *items;
    size_t n, capacity;
    size_t errors; /* that were printed */
};
bool er_ctl_documents_new(struct er_ctl_documents *out); /* false: no memory, said so */
void er_ctl_documents_free(struct er_ctl_documents *documents);

/* Adds the documents of a file ("-" = standard input) or of all *.json and *.jsonl files of a directory, in bytewise order of name.
 * A file holds one document, an array of them, or one per line. Errors are printed and counted. */
void er_ctl_documents_read(struct er_ctl_documents *documents, const char *name);

/* Adds one document from text that is in the arena. */
void er_ctl_documents_add(struct er_ctl_documents *documents, struct er_str text, const char *place);

/* Checks every document as the daemon will, and that no id stands in two: prints and counts all errors. */
void er_ctl_documents_check(struct er_ctl_documents *documents);

#endif
