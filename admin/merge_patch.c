#include "admin/merge_patch.h"

/* A shallow copy that becomes a member called key. */
static struct er_json *copy_as(struct er_arena *arena, const struct er_json *value, const struct er_json *key)
{
    struct er_json *copy = er_arena_alloc(arena, sizeof *copy);

    if (copy != NULL) {
        *copy = *value;
        copy->key = key->key;
        copy->key_offset = key->key_offset;
        copy->duplicate = key->duplicate;
        copy->next = NULL;
    }
    return copy;
}

static bool append(struct er_json *object, struct er_json ***end, struct er_json *member)
{
    if (member == NULL) {
        return false;
    }
    **end = member;
    *end = &member->next;
    object->n++;
    return true;
}

/* The members of target that the patch does not name, in their order. */
static bool keep_unnamed(struct er_arena *arena, const struct er_json *target, const struct er_json *patch, struct er_json *object,
                         struct er_json ***end)
{
    for (const struct er_json *member = target == NULL ? NULL : target->first; member != NULL; member = member->next) {
        bool kept = er_json_member(patch, member->key) == NULL && er_json_member(target, member->key) == member;

        if (kept && !append(object, end, copy_as(arena, member, member))) {
            return false;
        }
    }
    return true;
}

/* Recursion is bounded by the depth that the parser allows. */
const struct er_json *er_merge_patch(struct er_arena *arena, const struct er_json *target, const struct er_json *patch)
{
    struct er_json *object, **end;

    if (patch->type != ER_JSON_OBJECT) {
        return patch;
    }
    if (target != NULL && target->type != ER_JSON_OBJECT) {
        target = NULL;
    }
    object = er_arena_calloc(arena, 1, sizeof *object);
    if (object == NULL) {
        return NULL;
    }
    object->type = ER_JSON_OBJECT;
    object->offset = patch->offset;
    object->end = patch->end;
    end = &object->first;
    if (!keep_unnamed(arena, target, patch, object, &end)) {
        return NULL;
    }
    for (const struct er_json *member = patch->first; member != NULL; member = member->next) {
        const struct er_json *value;

        if (member->type == ER_JSON_NULL && !member->duplicate) {
            continue;
        }
        value = er_merge_patch(arena, er_json_member(target, member->key), member);
        if (value == NULL || !append(object, &end, copy_as(arena, value, member))) {
            return NULL;
        }
    }
    return object;
}

size_t er_merge_patch_bytes(const struct er_json *value)
{
    size_t n = 2 + (value->n > 0 ? value->n - 1 : 0); /* brackets or quotes, and commas */

    if (value->type == ER_JSON_NUMBER) {
        return value->text.n;
    }
    if (value->type == ER_JSON_NULL || value->type == ER_JSON_TRUE || value->type == ER_JSON_FALSE) {
        return value->type == ER_JSON_FALSE ? 5 : 4;
    }
    n += value->type == ER_JSON_STRING ? value->text.n : 0;
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        n += er_merge_patch_bytes(child) + (value->type == ER_JSON_OBJECT ? child->key.n + 3 : 0);
    }
    return n;
}
