#include <stdlib.h>

#include "rules/base/suggest.h"
#include "rules/base/utf8.h"
#include "rules/store/plan_impl.h"

#define PARTITIONS_MAX 10000

/* One reading of a subscriber document. */
struct reader {
    struct er_plan *plan;
    struct er_problems *problems; /* may be NULL */
    struct er_str pointer;
    struct er_plan_subscriber *into; /* a copy: the plan's own is untouched until all is well */
    struct er_err first;             /* the first problem; code ER_OK while there is none */
};

static void blame(struct reader *reader, enum er_code code, struct er_str member, const char *hint, const char *detail)
{
    struct er_str pointer = member.p == NULL ? reader->pointer : er_pointer_push(reader->plan->arena, reader->pointer, member);

    if (reader->first.code == ER_OK) {
        (void)er_err_set(&reader->first, code, "%s", detail);
    }
    if (reader->problems != NULL) {
        er_problems_add(reader->problems, code, pointer, ER_NO_OFFSET, hint, "%s", detail);
    }
}

static void blame_type(struct reader *reader, const struct er_json *value, const char *wanted)
{
    struct er_str detail = er_arena_printf(reader->plan->arena, "\"%.*s\" must be %s, not %s", ER_STR_ARG(value->key), wanted,
                                           er_json_type_name(value->type));

    blame(reader, ER_E_RULE_TYPE, value->key, "leave the member out for its default", detail.p == NULL ? "wrong type" : detail.p);
}

static struct er_str keep(struct reader *reader, struct er_str s)
{
    struct er_str kept = er_arena_dup(reader->plan->arena, s);

    if (kept.p == NULL) {
        blame(reader, ER_E_NOMEM, (struct er_str){ NULL, 0 }, NULL, "out of memory while reading the subscriber");
    }
    return kept;
}

static void read_id(struct reader *reader, const struct er_json *value)
{
    if (value->type != ER_JSON_STRING) {
        blame_type(reader, value, "a string");
    } else if (!er_str_eq(value->text, reader->into->id)) {
        blame(reader, ER_E_RULE_ID_MISMATCH, value->key, "leave \"id\" out, or use the id of the path",
              "\"id\" differs from the id of the path");
    }
}

static void read_topic(struct reader *reader, const struct er_json *value)
{
    if (value->type != ER_JSON_STRING) {
        blame_type(reader, value, "a string");
    } else {
        reader->into->topic = keep(reader, value->text);
    }
}

static void read_partitions(struct reader *reader, const struct er_json *value)
{
    int32_t n = 0;

    if (value->type != ER_JSON_NUMBER) {
        blame_type(reader, value, "a number");
        return;
    }
    for (size_t i = 0; i < value->text.n && n >= 0; i++) {
        char c = value->text.p[i];

        n = c >= '0' && c <= '9' && n <= PARTITIONS_MAX ? n * 10 + (c - '0') : -1;
    }
    if (n < 1 || n > PARTITIONS_MAX) {
        blame(reader, ER_E_RULE_LIMIT, value->key, NULL, "\"partitions\" must be a whole number from 1 to 10000");
    } else {
        reader->into->partitions = n;
    }
}

static void read_state(struct reader *reader, const struct er_json *value)
{
    if (value->type != ER_JSON_STRING) {
        blame_type(reader, value, "a string");
    } else if (!er_str_eq(value->text, ER_STR("active")) && !er_str_eq(value->text, ER_STR("paused"))) {
        blame(reader, ER_E_RULE_TYPE, value->key, NULL, "\"state\" must be \"active\" or \"paused\"");
    } else {
        reader->into->state = er_store_state_of(value->text);
    }
}

static void read_description(struct reader *reader, const struct er_json *value)
{
    if (value->type != ER_JSON_STRING) {
        blame_type(reader, value, "a string");
    } else {
        reader->into->has_description = true;
        reader->into->description = keep(reader, value->text);
    }
}

static int by_key(const void *a, const void *b)
{
    return er_str_cmp((*(const struct er_json *const *)a)->key, (*(const struct er_json *const *)b)->key);
}

/* Labels are kept as text with sorted keys, so that equal labels are equal text. */
static void write_labels(struct reader *reader, const struct er_json *labels, const struct er_json **sorted)
{
    struct er_json_writer w;
    size_t n = 0;

    for (const struct er_json *label = labels->first; label != NULL; label = label->next) {
        sorted[n++] = label;
    }
    qsort(sorted, n, sizeof *sorted, by_key);
    er_buf_clear(&reader->plan->text);
    er_jw_init(&w, &reader->plan->text);
    er_jw_object(&w);
    for (size_t i = 0; i < n; i++) {
        er_jw_key(&w, sorted[i]->key);
        er_jw_string(&w, sorted[i]->text);
    }
    er_jw_end(&w);
    if (reader->plan->text.failed) {
        blame(reader, ER_E_NOMEM, (struct er_str){ NULL, 0 }, NULL, "out of memory while reading the subscriber");
        return;
    }
    reader->into->labels = keep(reader, er_buf_str(&reader->plan->text));
}

static void read_labels(struct reader *reader, const struct er_json *value)
{
    const struct er_json **sorted;
    bool good = true;

    if (value->type != ER_JSON_OBJECT) {
        blame_type(reader, value, "an object of strings");
        return;
    }
    for (const struct er_json *label = value->first; label != NULL; label = label->next) {
        if (label->type != ER_JSON_STRING || label->duplicate) {
            blame(reader, label->duplicate ? ER_E_JSON_DUPLICATE_KEY : ER_E_RULE_TYPE, value->key, NULL,
                  label->duplicate ? "\"labels\" has a key twice" : "every value of \"labels\" must be a string");
            good = false;
        }
    }
    if (!good || value->n == 0) {
        return;
    }
    sorted = er_arena_calloc(reader->plan->arena, value->n, sizeof *sorted);
    if (sorted == NULL) {
        blame(reader, ER_E_NOMEM, (struct er_str){ NULL, 0 }, NULL, "out of memory while reading the subscriber");
        return;
    }
    write_labels(reader, value, sorted);
}

/* The members of the document; read = NULL: set by the server, ignored whatever the value. */
static const struct {
    const char *name;
    void (*read)(struct reader *reader, const struct er_json *value);
} members[] = {
    { "id", read_id },
    { "topic", read_topic },
    { "partitions", read_partitions },
    { "state", read_state },
    { "description", read_description },
    { "labels", read_labels },
    { "revision", NULL },
    { "created_at", NULL },
    { "updated_at", NULL },
    { "status", NULL },
    { "subscriptions", NULL },
};
#define MEMBERS (sizeof members / sizeof *members)

static void read_unknown(struct reader *reader, const struct er_json *value)
{
    const char *names[MEMBERS];
    const char *meant;
    struct er_str hint = ER_STR("leave it out"), detail;

    for (size_t i = 0; i < MEMBERS; i++) {
        names[i] = members[i].name;
    }
    meant = er_suggest(value->key, names, MEMBERS);
    if (meant != NULL) {
        hint = er_arena_printf(reader->plan->arena, "did you mean \"%s\"?", meant);
    }
    detail = er_arena_printf(reader->plan->arena, "a subscriber has no member \"%.*s\"", ER_STR_ARG(er_utf8_cut(value->key, 64)));
    blame(reader, ER_E_RULE_UNKNOWN_MEMBER, value->key, hint.p, detail.p == NULL ? "unknown member" : detail.p);
}

static void read_member(struct reader *reader, const struct er_json *value)
{
    if (value->duplicate) {
        blame(reader, ER_E_JSON_DUPLICATE_KEY, value->key, "keep one of them", "the member stands in the document twice");
        return;
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        if (er_str_eq(value->key, er_str_of(members[i].name))) {
            if (members[i].read != NULL) {
                members[i].read(reader, value);
            }
            return;
        }
    }
    read_unknown(reader, value);
}

static void read_document(struct reader *reader, const struct er_json *document)
{
    static const struct er_str whole = { NULL, 0 };

    if (!er_subscriber_id_valid(reader->into->id)) {
        blame(reader, ER_E_RULE_ID, ER_STR("id"), "use [A-Za-z0-9][A-Za-z0-9._-]{0,99}", "illegal subscriber id");
    }
    if (document->type != ER_JSON_OBJECT) {
        blame(reader, ER_E_RULE_NOT_OBJECT, whole, NULL, "a subscriber is a JSON object");
        return;
    }
    if (document->end - document->offset > reader->plan->policy->limits.document_bytes) {
        blame(reader, ER_E_RULE_TOO_LARGE, whole, NULL, "the subscriber document is too large");
        return;
    }
    for (const struct er_json *value = document->first; value != NULL; value = value->next) {
        read_member(reader, value);
    }
}

static bool same(const struct er_plan_subscriber *a, const struct er_plan_subscriber *b)
{
    return er_str_eq(a->topic, b->topic) && a->partitions == b->partitions && a->state == b->state &&
           a->has_description == b->has_description && er_str_eq(a->description, b->description) && er_str_eq(a->labels, b->labels);
}

/* What the document does not name: description and labels go (a PUT replaces), topic, partitions and state stay as they are, because
 * moving a destination or waking a subscriber must be said, not left out. */
static enum er_code enter(struct er_plan *plan, struct er_plan_subscriber *current, struct er_plan_subscriber *wanted,
                          enum er_put_result *result, struct er_err *err)
{
    if (current == NULL) {
        *result = ER_PUT_CREATED;
        return er_plan_write_subscriber(plan, wanted, ER_PLAN_CREATE, err);
    }
    if (current->op != ER_PLAN_KEEP) {
        return er_err_set(err, ER_E_RULE_DUPLICATE_ID, "subscriber %.*s is named twice in one change", ER_STR_ARG(current->id));
    }
    *result = same(current, wanted) ? ER_PUT_UNCHANGED : ER_PUT_UPDATED;
    if (*result == ER_PUT_UNCHANGED) {
        return ER_OK;
    }
    current->moved = !er_str_eq(current->topic, wanted->topic);
    current->restated = current->state != wanted->state;
    current->topic = wanted->topic;
    current->partitions = wanted->partitions;
    current->state = wanted->state;
    current->has_description = wanted->has_description;
    current->description = wanted->description;
    current->labels = wanted->labels;
    return er_plan_write_subscriber(plan, current, ER_PLAN_UPDATE, err);
}

enum er_code er_plan_put_subscriber(struct er_plan *plan, struct er_str id, const struct er_json *document, struct er_plan_put *put,
                                    struct er_err *err)
{
    struct er_err why = { .code = ER_OK, .offset = ER_NO_OFFSET };
    struct reader reader = { .plan = plan, .problems = put->problems, .pointer = put->pointer, .first = why };
    struct er_plan_subscriber *current;
    enum er_code code = er_plan_find_subscriber(plan, id, &current, &why);

    if (code == ER_OK) {
        code = er_plan_new_subscriber(plan, id, &reader.into, &why);
    }
    if (code == ER_OK && current != NULL) {
        reader.into->topic = current->topic;
        reader.into->partitions = current->partitions;
        reader.into->state = current->state;
    }
    if (code == ER_OK) {
        read_document(&reader, document);
        if (reader.first.code != ER_OK) {
            return er_plan_refuse(plan, &reader.first, put->pointer, NULL, err); /* in problems already */
        }
        code = er_plan_check_put(put, "subscriber", id, current == NULL ? NULL : &current->revision, &why);
    }
    if (code == ER_OK) {
        code = enter(plan, current, reader.into, &put->result, &why);
    }
    if (code != ER_OK) {
        bool topic = code == ER_E_SUBSCRIBER_TOPIC || code == ER_E_SUBSCRIBER_TOPIC_TAKEN;

        return er_plan_refuse(plan, &why, topic ? er_pointer_push(plan->arena, put->pointer, ER_STR("topic")) : put->pointer,
                              put->problems, err);
    }
    put->id = reader.into->id;
    return ER_OK;
}

/* A topic that is not used any more, for whatever reason, must not keep its subscriber from being paused. */
static enum er_code set_state(struct er_plan *plan, struct er_plan_subscriber *subscriber, enum er_subscriber_state state,
                              struct er_err *err)
{
    subscriber->restated = true;
    subscriber->state = state;
    if (state == ER_SUBSCRIBER_ACTIVE) {
        return er_plan_write_subscriber(plan, subscriber, ER_PLAN_UPDATE, err);
    }
    subscriber->op = ER_PLAN_UPDATE;
    plan->changes = true;
    return ER_OK;
}

enum er_code er_plan_set_state(struct er_plan *plan, struct er_str id, enum er_subscriber_state state,
                               const struct er_precondition *precondition, struct er_err *err)
{
    struct er_err why = { .code = ER_OK, .offset = ER_NO_OFFSET };
    struct er_plan_subscriber *subscriber = NULL;
    enum er_code code = er_plan_find_subscriber(plan, id, &subscriber, &why);

    if (code == ER_OK && subscriber == NULL) {
        code = er_err_set(&why, ER_E_NOT_FOUND, "subscriber %.*s does not exist", ER_STR_ARG(id));
    }
    if (code == ER_OK && subscriber->op != ER_PLAN_KEEP) {
        code = er_err_set(&why, ER_E_RULE_DUPLICATE_ID, "subscriber %.*s is named twice in one change", ER_STR_ARG(id));
    }
    if (code == ER_OK) {
        code = er_plan_precondition(precondition, true, subscriber->revision, &why);
    }
    if (code == ER_OK && subscriber->state != state) {
        code = set_state(plan, subscriber, state, &why);
    }
    return code == ER_OK ? ER_OK : er_plan_refuse(plan, &why, ER_STR(""), NULL, err);
}

bool er_plan_subscriber(const struct er_plan *plan, struct er_str id, struct er_store_subscriber *out)
{
    const struct er_plan_subscriber *entry;

    HASH_FIND(hh, plan->subscribers_by_id, id.p, id.n, entry);
    if (entry == NULL) {
        return false;
    }
    *out = (struct er_store_subscriber){ .id = entry->id,
                                         .topic = entry->topic,
                                         .partitions = entry->partitions,
                                         .state = entry->state,
                                         .description = entry->description,
                                         .has_description = entry->has_description,
                                         .labels = entry->labels,
                                         .subscriptions = entry->subscriptions };
    return true;
}

static enum er_code delete_one(struct er_plan *plan, struct er_str id, bool cascade, const struct er_precondition *precondition,
                               struct er_err *err)
{
    struct er_plan_subscriber *subscriber;
    enum er_code code = er_plan_find_subscriber(plan, id, &subscriber, err);

    if (code != ER_OK) {
        return code;
    }
    if (subscriber == NULL || subscriber->op == ER_PLAN_DELETE || subscriber->op == ER_PLAN_CREATE) {
        return er_err_set(err, ER_E_NOT_FOUND, "subscriber %.*s does not exist", ER_STR_ARG(id));
    }
    code = er_plan_precondition(precondition, true, subscriber->revision, err);
    if (code != ER_OK) {
        return code;
    }
    if (subscriber->subscriptions > 0 && !cascade) {
        return er_err_set(err, ER_E_IN_USE,
                          "subscriber %.*s has %zu subscription%s; delete them first, or ask for cascade to delete them too",
                          ER_STR_ARG(id), subscriber->subscriptions, subscriber->subscriptions == 1 ? "" : "s");
    }
    code = er_plan_drop_listed(plan, ER_SQL_SUBSCRIPTION_IDS_OF, subscriber->id, err);
    if (code == ER_OK) {
        subscriber->op = ER_PLAN_DELETE;
        plan->changes = true;
    }
    return code;
}

enum er_code er_plan_delete_subscriber(struct er_plan *plan, struct er_str id, bool cascade,
                                       const struct er_precondition *precondition, struct er_err *err)
{
    struct er_err why = { .code = ER_OK, .offset = ER_NO_OFFSET };
    enum er_code code = delete_one(plan, id, cascade, precondition, &why);

    return code == ER_OK ? ER_OK : er_plan_refuse(plan, &why, ER_STR(""), NULL, err);
}
