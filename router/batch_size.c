#include "router/batch_size.h"

enum { BATCH_HEAD = 61, RECORD_HEAD = 3 /* attributes, and the differences of time and offset, both 0 */ };

/* A number as zigzag varint. */
static size_t number_size(size_t n)
{
    size_t size = 1;

    for (n <<= 1; n >= 0x80; n >>= 7) {
        size++;
    }
    return size;
}

/* With its length in front; none at all is the length -1. */
static size_t bytes_size(bool there, struct er_str bytes)
{
    return there ? number_size(bytes.n) + bytes.n : 1;
}

size_t er_batch_size_alone(const struct er_record *record)
{
    size_t size = RECORD_HEAD + bytes_size(record->has_key, record->key) + bytes_size(record->has_value, record->value) +
                  number_size(record->n_headers);

    for (size_t i = 0; i < record->n_headers; i++) {
        const struct er_header *header = &record->headers[i];

        size += bytes_size(true, header->name) + bytes_size(!header->null_value, header->value);
    }
    return BATCH_HEAD + number_size(size) + size;
}
