/* Documents between HTTP and the store: reading a subscription for a call, writing what GET shows. */
#ifndef ER_ADMIN_DOCUMENT_H
#define ER_ADMIN_DOCUMENT_H

#include "admin/call.h"

/* The stored document with revision, created_at, updated_at, and the status that it has in the rule set. */
void er_document_write_subscription(struct er_json_writer *w, const struct er_store_subscription *row,
                                    const struct er_ruleset *ruleset);
void er_document_write_subscriber(const struct er_admin_env *env, struct er_json_writer *w, const struct er_store_subscriber *row);

/* The same of a subscriber that is not stored (dry run), without what only storing gives. */
void er_document_write_planned_subscriber(struct er_json_writer *w, const struct er_store_subscriber *row);

/* A rule that is not stored (dry run), under id. */
void er_document_write_rule(struct er_json_writer *w, const struct er_rule *rule, struct er_str id);

/* Reads one subscription into call->rules[0]. id is that of the path, which the document's own must equal (n = 0: none). Problems of the
 * document and of the path's id go to call->problems. bytes: size as sent. */
enum er_code er_document_read_rule(struct er_call *call, const struct er_json *document, size_t bytes, struct er_str id,
                                   struct er_err *err) ER_MUST_CHECK;

/* The same; false: the call has ended with the problems. */
bool er_document_read(struct er_call *call, const struct er_json *document, struct er_str id) ER_MUST_CHECK;

/* Reads an array of subscriptions into call->rules (NULL where one is bad); all problems with pointers like /3/regex. An element that is not
 * fine is no error of the call: see call->problems. Error: ER_E_NOMEM. */
enum er_code er_document_read_all(struct er_call *call, const struct er_json *array, struct er_err *err) ER_MUST_CHECK;

#endif
