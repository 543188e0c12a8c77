#include "rules/engine/event.h"

#include <inttypes.h>
#include "rules/engine/form.h"

/* One reading. */
struct reading {
    struct er_event *event;
    const struct er_event_context *context;
    const struct er_record *record;
    enum er_form form;
};

enum er_code er_event_init(struct er_event *event, struct er_scanner *scanner, struct er_err *err)
{
    *event = (struct er_event){ .scanner = scanner, .arena = er_arena_new(0) };
    if (event->arena == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory for reading events");
    }
    return ER_OK;
}

void er_event_fini(struct er_event *event)
{
    er_arena_free(event->arena);
    er_fields_fini(&event->fields);
    *event = (struct er_event){ 0 };
}

static enum er_code no_memory(struct er_err *err)
{
    return er_err_set(err, ER_E_NOMEM, "out of memory for an event");
}

/* ---- envelope ---- */

/* One value at a node outside the body; text.p = NULL only closes the node for earlier headers of that name. */
static bool put(struct reading *reading, uint32_t node, struct er_str text, enum er_field_kind kind)
{
    struct er_fields *fields = &reading->event->fields;

    if (text.p != NULL) {
        return er_fields_add(fields, node, text, kind, false) && er_fields_link(fields, fields->n - 1);
    }
    return er_fields_close(fields, node);
}

static bool is_read(const struct reading *reading, uint32_t node)
{
    return er_trie_is_read(&reading->context->side->trie, node);
}

static bool put_number(struct reading *reading, uint32_t node, int64_t number)
{
    struct er_str text;

    if (!is_read(reading, node) || number < 0) {
        return true;
    }
    text = er_arena_printf(reading->event->arena, "%" PRId64, number);
    return text.p != NULL && put(reading, node, text, ER_FIELD_NUMBER);
}

static bool put_text(struct reading *reading, uint32_t node, bool present, struct er_str text)
{
    struct er_header as_header;

    if (!is_read(reading, node)) {
        return true;
    }
    as_header = (struct er_header){ .value = text, .null_value = !present };
    return put(reading, node, er_header_text(&as_header), ER_FIELD_STRING);
}

/* A header as the child of a root, if somebody reads it and no later one of that name was there. */
static bool put_header(struct reading *reading, uint32_t root, struct er_str name, const struct er_header *header)
{
    const struct er_trie *trie = &reading->context->side->trie;
    uint32_t node;

    if (!er_trie_has_children(trie, root)) {
        return true;
    }
    node = er_trie_child(trie, root, name, er_hash(name, trie->catalog->seed));
    if (node == ER_NONE || !is_read(reading, node) || er_fields_known(&reading->event->fields, node)) {
        return true;
    }
    return put(reading, node, er_header_text(header), ER_FIELD_STRING);
}

static bool put_headers(struct reading *reading)
{
    for (size_t i = reading->record->n_headers; i > 0; i--) {
        const struct er_header *header = &reading->record->headers[i - 1];
        struct er_str attribute = er_form_attribute(header->name);

        if (!put_header(reading, ER_NODE_HEADERS, header->name, header)) {
            return false;
        }
        if (reading->form == ER_FORM_BINARY && attribute.n > 0 && !put_header(reading, ER_NODE_EVENT, attribute, header)) {
            return false;
        }
    }
    return true;
}

static bool put_envelope(struct reading *reading)
{
    const struct er_record *record = reading->record;

    return put_text(reading, ER_NODE_TOPIC, record->topic.n > 0, record->topic) &&
           put_text(reading, ER_NODE_KEY, record->has_key, record->key) &&
           put_number(reading, ER_NODE_PARTITION, record->partition) &&
           put_number(reading, ER_NODE_TIMESTAMP, record->timestamp_ms) && put_headers(reading);
}

/* ---- body ---- */

static uint32_t body_root(const struct reading *reading)
{
    const struct er_trie *trie = &reading->context->side->trie;
    const struct er_str data = ER_STR("data");

    return reading->form == ER_FORM_BINARY ? er_trie_child(trie, ER_NODE_EVENT, data, er_hash(data, trie->catalog->seed))
                                           : ER_NODE_EVENT;
}

static enum er_code read_body(struct reading *reading, struct er_err *err)
{
    struct er_event *event = reading->event;
    const struct er_ruleset_options *options = reading->context->options;
    struct er_scan scan = { .trie = &reading->context->side->trie,
                            .fields = &event->fields,
                            .arena = event->arena,
                            .text = reading->record->value,
                            .max_depth = options->max_depth,
                            .root = body_root(reading) };
    uint32_t first = event->fields.n;
    enum er_code code;

    if (scan.text.n > options->max_bytes) {
        return er_err_at(err, ER_E_EVENT_TOO_LARGE, options->max_bytes, "the event has %zu bytes, the limit event.max_bytes is %zu",
                         scan.text.n, options->max_bytes);
    }
    code = er_scanner_run(event->scanner, &scan, err);
    if (code != ER_OK) {
        return code;
    }
    event->duplicate_keys = scan.duplicates;
    if (scan.duplicates > 0 && options->reject_duplicate_keys) {
        return er_err_at(err, ER_E_EVENT_DUPLICATE_KEY, scan.first_duplicate,
                         "the key at byte %zu is already in its object, and event.duplicate_keys is reject", scan.first_duplicate);
    }
    return er_fields_link(&event->fields, first) ? ER_OK : no_memory(err);
}

/* ---- type ---- */

/* The string that stands at a node itself, not in an array. */
static struct er_str string_at(const struct reading *reading, uint32_t node)
{
    const struct er_fields *fields = &reading->event->fields;

    for (uint32_t i = er_fields_first(fields, node); i != ER_NONE; i = fields->items[i].next) {
        if (fields->items[i].kind == ER_FIELD_STRING && !fields->items[i].in_array) {
            return fields->items[i].text;
        }
    }
    return (struct er_str){ NULL, 0 };
}

static struct er_str type_of(const struct reading *reading)
{
    const struct er_event_nodes *nodes = reading->context->nodes;
    enum er_form form = reading->form;

    if (form == ER_FORM_TOMBSTONE && er_form_header(reading->record, ER_STR("ce_specversion")).p != NULL) {
        form = ER_FORM_BINARY;
    }
    if (form == ER_FORM_PLAIN && string_at(reading, nodes->specversion).p != NULL) {
        form = ER_FORM_STRUCTURED;
    }
    if (form == ER_FORM_BINARY) {
        return er_form_header(reading->record, ER_STR("ce_type"));
    }
    return string_at(reading, form == ER_FORM_STRUCTURED ? nodes->type : nodes->type_path);
}

enum er_code er_event_read(struct er_event *event, const struct er_event_context *context, const struct er_record *record,
                           struct er_err *err)
{
    struct reading reading = { event, context, record, er_form_of(record) };
    enum er_code code;

    er_arena_reset(event->arena);
    event->duplicate_keys = 0;
    event->type = (struct er_str){ NULL, 0 };
    if (!er_fields_begin(&event->fields, context->side->catalog->seed) || !put_envelope(&reading)) {
        return no_memory(err);
    }
    if (record->has_value) {
        code = read_body(&reading, err);
        if (code != ER_OK) {
            return code;
        }
    }
    event->type = type_of(&reading);
    if (event->type.p != NULL && !put(&reading, ER_NODE_TYPE, event->type, ER_FIELD_STRING)) {
        return no_memory(err);
    }
    return ER_OK;
}
