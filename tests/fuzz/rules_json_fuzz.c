/* The JSON reader: never reads too far, and what it accepts it writes so that it reads the same again. */
#include <stdint.h>
#include <stdlib.h>
#include "rules/base/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_tree(struct er_buf *buf, const struct er_json *tree)
{
    struct er_json_writer w;

    er_jw_init(&w, buf);
    er_jw_json(&w, tree);
}

/* Positions of a child lie inside its parent, in order. */
static void check_positions(const struct er_json *value)
{
    size_t at = value->offset, n = 0;

    for (const struct er_json *child = value->first; child != NULL; child = child->next, n++) {
        if (child->offset <= at || child->end <= child->offset || child->end >= value->end) {
            abort();
        }
        at = child->end;
        check_positions(child);
    }
    if (n != value->n) {
        abort();
    }
}

static void check_accepted(struct er_arena *arena, const struct er_json *tree)
{
    struct er_buf once = { 0 }, twice = { 0 };
    struct er_json *again;

    check_positions(tree);
    write_tree(&once, tree);
    if (er_json_parse(arena, er_buf_str(&once), 128, &again, NULL) != ER_OK || !er_json_equal(tree, again)) {
        abort();
    }
    write_tree(&twice, again);
    if (!er_str_eq(er_buf_str(&once), er_buf_str(&twice))) {
        abort();
    }
    er_buf_free(&once);
    er_buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_json *tree;
    struct er_err err = { 0 };
    enum er_code code = er_json_parse(arena, (struct er_str){ (const char *)data, size }, 128, &tree, &err);

    if (code == ER_OK) {
        check_accepted(arena, tree);
    } else if (err.offset > size || err.code != code || tree != NULL) {
        abort();
    }
    er_arena_free(arena);
    return 0;
}
