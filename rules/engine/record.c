#include "rules/engine/record.h"

const struct er_header *er_record_header(const struct er_record *record, struct er_str name)
{
    for (size_t i = record->n_headers; i > 0; i--) {
        if (er_str_eq(record->headers[i - 1].name, name)) {
            return &record->headers[i - 1];
        }
    }
    return NULL;
}
