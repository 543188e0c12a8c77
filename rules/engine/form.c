#include "rules/engine/form.h"

#include <strings.h>
#include "rules/base/utf8.h"

struct er_str er_header_text(const struct er_header *header)
{
    struct er_str text = { NULL, 0 };

    if (header != NULL && !header->null_value && er_utf8_check(header->value) == header->value.n) {
        text = header->value.n > 0 ? header->value : ER_STR("");
    }
    return text;
}

struct er_str er_form_header(const struct er_record *record, struct er_str name)
{
    return er_header_text(er_record_header(record, name));
}

/* RFC 9110 section 8.3.1: type and subtype are case-insensitive, parameters follow a semicolon. */
static bool is_structured_type(struct er_str content_type)
{
    static const char wanted[] = "application/cloudevents+json";
    const size_t n = sizeof wanted - 1;
    size_t i = 0;

    while (i < content_type.n && (content_type.p[i] == ' ' || content_type.p[i] == '\t')) {
        i++;
    }
    if (content_type.n - i < n || strncasecmp(content_type.p + i, wanted, n) != 0) {
        return false;
    }
    for (i += n; i < content_type.n && (content_type.p[i] == ' ' || content_type.p[i] == '\t');) {
        i++;
    }
    return i == content_type.n || content_type.p[i] == ';';
}

enum er_form er_form_of(const struct er_record *record)
{
    if (!record->has_value) {
        return ER_FORM_TOMBSTONE;
    }
    if (record->n_headers == 0) {
        return ER_FORM_PLAIN;
    }
    if (is_structured_type(er_form_header(record, ER_STR("content-type")))) {
        return ER_FORM_STRUCTURED;
    }
    return er_form_header(record, ER_STR("ce_specversion")).p != NULL ? ER_FORM_BINARY : ER_FORM_PLAIN;
}

struct er_str er_form_attribute(struct er_str name)
{
    if (name.n <= 3 || memcmp(name.p, "ce_", 3) != 0 || er_str_eq(name, ER_STR("ce_data"))) {
        return (struct er_str){ name.p, 0 };
    }
    return (struct er_str){ name.p + 3, name.n - 3 };
}
