#include "rules/engine/ranges.h"

#include <stdlib.h>

#define FAN 16u       /* entries of a node */
#define FIRST_ROOM 2u /* of a root that is a leaf; it grows up to FAN */
#define MERGED 12u    /* neighbours with so many entries together become one, so the nodes stay a third full on average */
#define HEIGHT 32u    /* with a mean of more than 4 entries in a node more levels would need more than 2^64 ranges */

union word {
    int64_t rank;
    const struct er_range *range;
    struct er_ranges_node *child;
    uint64_t id;
};

/* What an entry consists of. A node keeps equal parts together: a question reads little but ranks. */
enum part {
    LOW,     /* rank of the lowest bound */
    HIGH,    /* rank of the highest one */
    FIRST,   /* range with that lowest bound; of a leaf: the range */
    LINK,    /* id of a leaf's range, or child */
    HIGHEST, /* only inner nodes: range with that highest bound */
    PARTS
};

#define LEAF_PARTS 4u

struct er_ranges_node {
    uint16_t n;
    uint16_t room; /* entries that fit; FAN except in a small root */
    uint32_t parts;
    union word words[]; /* room of the first part, room of the second ... */
};

struct entry {
    union word part[PARTS];
};

/* ---- nodes ---- */

static union word *part_of(struct er_ranges_node *node, unsigned part)
{
    return node->words + part * (size_t)node->room;
}

static const union word *look_at(const struct er_ranges_node *node, unsigned part)
{
    return node->words + part * (size_t)node->room;
}

static bool is_leaf(const struct er_ranges_node *node)
{
    return node->parts == LEAF_PARTS;
}

static size_t node_bytes(const struct er_ranges_node *node)
{
    return sizeof *node + (size_t)node->room * node->parts * sizeof(union word);
}

static struct er_ranges_node *node_new(struct er_ranges *ranges, unsigned parts, unsigned room)
{
    struct er_ranges_node *node = malloc(sizeof *node + (size_t)room * parts * sizeof(union word));

    if (node != NULL) {
        *node = (struct er_ranges_node){ .room = (uint16_t)room, .parts = parts };
        ranges->bytes += node_bytes(node);
    }
    return node;
}

static void node_free(struct er_ranges *ranges, struct er_ranges_node *node)
{
    ranges->bytes -= node_bytes(node);
    free(node);
}

static void insert(struct er_ranges_node *node, unsigned at, const struct entry *entry)
{
    for (unsigned i = 0; i < node->parts; i++) {
        union word *words = part_of(node, i);

        memmove(words + at + 1, words + at, (node->n - at) * sizeof *words);
        words[at] = entry->part[i];
    }
    node->n++;
}

static void erase(struct er_ranges_node *node, unsigned at)
{
    node->n--;
    for (unsigned i = 0; i < node->parts; i++) {
        union word *words = part_of(node, i);

        memmove(words + at, words + at + 1, (node->n - at) * sizeof *words);
    }
}

static void replace(struct er_ranges_node *node, unsigned at, const struct entry *entry)
{
    for (unsigned i = 0; i < node->parts; i++) {
        part_of(node, i)[at] = entry->part[i];
    }
}

/* The entries of one node from a position on go to the end of another one. */
static void move_entries(struct er_ranges_node *to, struct er_ranges_node *from, unsigned at)
{
    unsigned n = from->n - at;

    for (unsigned i = 0; i < from->parts; i++) {
        memcpy(part_of(to, i) + to->n, look_at(from, i) + at, n * sizeof(union word));
    }
    to->n = (uint16_t)(to->n + n);
    from->n = (uint16_t)at;
}

/* ---- what is known of a node one level up ---- */

static const struct er_range *highest_of(const struct er_ranges_node *node, unsigned at)
{
    return look_at(node, is_leaf(node) ? FIRST : HIGHEST)[at].range;
}

static struct entry summary(struct er_ranges_node *node)
{
    const union word *highs = look_at(node, HIGH);
    unsigned best = 0;

    for (unsigned i = 1; i < node->n; i++) {
        if (highs[i].rank > highs[best].rank ||
            (highs[i].rank == highs[best].rank && er_range_compare_high(highest_of(node, i), highest_of(node, best)) > 0)) {
            best = i;
        }
    }
    return (struct entry){ { [LOW] = look_at(node, LOW)[0],
                             [HIGH] = highs[best],
                             [FIRST] = look_at(node, FIRST)[0],
                             [LINK] = { .child = node },
                             [HIGHEST] = { .range = highest_of(node, best) } } };
}

/* ---- the way to a range ---- */

struct step {
    struct er_ranges_node *node;
    unsigned at; /* in an inner node: the child that follows */
};

/* Order of the entries: by lower bound; equal ones by address. */
static bool is_after(const struct er_ranges_node *node, unsigned at, const struct er_range *range)
{
    int64_t rank = look_at(node, LOW)[at].rank;
    const struct er_range *other;
    int order;

    if (rank != range->low_rank) {
        return rank > range->low_rank;
    }
    other = look_at(node, FIRST)[at].range;
    order = er_range_compare_low(other, range);
    return order != 0 ? order > 0 : (uintptr_t)other > (uintptr_t)range;
}

/* Number of entries that do not stand after the range. */
static unsigned position(const struct er_ranges_node *node, const struct er_range *range)
{
    unsigned low = 0, high = node->n;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (is_after(node, middle, range)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* Fills the steps from the root to the leaf where the range is or belongs; there `at` is the place behind it. Returns how many. */
static unsigned descend(const struct er_ranges *ranges, const struct er_range *range, struct step steps[HEIGHT])
{
    struct er_ranges_node *node = ranges->root;
    unsigned depth = 0;

    for (;; depth++) {
        unsigned at = position(node, range);

        if (is_leaf(node)) {
            steps[depth] = (struct step){ node, at };
            return depth + 1;
        }
        at -= at > 0; /* what comes before the first entry goes into its child */
        steps[depth] = (struct step){ node, at };
        node = part_of(node, LINK)[at].child;
    }
}

/* Tells the nodes above steps[depth] what has become of it. */
static void update_above(const struct step *steps, unsigned depth)
{
    while (depth-- > 0) {
        struct entry entry = summary(steps[depth + 1].node);

        replace(steps[depth].node, steps[depth].at, &entry);
    }
}

/* ---- adding ---- */

/* Nodes taken before anything is changed: one for each that must be split, and a root. */
struct supply {
    struct er_ranges_node *nodes[HEIGHT + 1]; /* from the leaf upwards */
    unsigned n;
};

static bool supply_fill(struct er_ranges *ranges, const struct step *steps, unsigned depth, struct supply *supply)
{
    unsigned wanted = 0;

    while (wanted < depth && steps[depth - 1 - wanted].node->n == FAN) {
        wanted++;
    }
    wanted += wanted == depth;
    while (supply->n < wanted) {
        struct er_ranges_node *node = node_new(ranges, supply->n == 0 ? LEAF_PARTS : PARTS, FAN);

        if (node == NULL) {
            while (supply->n > 0) {
                node_free(ranges, supply->nodes[--supply->n]);
            }
            return false;
        }
        supply->nodes[supply->n++] = node;
    }
    return true;
}

/* Puts the entry into a full node, whose upper half moves to a new one. At the end of the tree only the entry moves there: ranges that
 * come in order leave full nodes behind. */
static void split(struct er_ranges_node *node, struct er_ranges_node *right, unsigned at, const struct entry *entry, bool last)
{
    if (last && at == FAN) {
        insert(right, 0, entry);
        return;
    }
    move_entries(right, node, FAN / 2);
    if (at > FAN / 2) {
        insert(right, at - FAN / 2, entry);
    } else {
        insert(node, at, entry);
    }
}

/* Does nothing of the tree come after steps[level]? */
static bool is_last(const struct step *steps, unsigned level)
{
    while (level > 0 && steps[level - 1].at + 1 == steps[level - 1].node->n) {
        level--;
    }
    return level == 0;
}

static void put_root(struct er_ranges *ranges, struct er_ranges_node *root, struct er_ranges_node *left,
                     struct er_ranges_node *right)
{
    struct entry first = summary(left), second = summary(right);

    insert(root, 0, &first);
    insert(root, 1, &second);
    ranges->root = root;
}

static void put(struct er_ranges *ranges, const struct step *steps, unsigned depth, struct entry entry, const struct supply *supply)
{
    unsigned level = depth - 1, at = steps[level].at;
    unsigned used = 0;

    while (steps[level].node->n == FAN) {
        struct er_ranges_node *node = steps[level].node, *right = supply->nodes[used++];

        split(node, right, at, &entry, is_last(steps, level));
        if (level == 0) {
            put_root(ranges, supply->nodes[used], node, right);
            return;
        }
        level--;
        at = steps[level].at + 1;
        entry = summary(node);
        replace(steps[level].node, at - 1, &entry);
        entry = summary(right);
    }
    insert(steps[level].node, at, &entry);
    update_above(steps, level);
}

/* Makes room for one entry while the root is all there is. */
static bool grow_root(struct er_ranges *ranges)
{
    struct er_ranges_node *old = ranges->root, *root;

    if (old != NULL && (old->n < old->room || old->room == FAN)) {
        return true;
    }
    root = node_new(ranges, LEAF_PARTS, old == NULL ? FIRST_ROOM : old->room * 2u);
    if (root == NULL) {
        return false;
    }
    if (old != NULL) {
        move_entries(root, old, 0);
        node_free(ranges, old);
    }
    ranges->root = root;
    return true;
}

bool er_ranges_add(struct er_ranges *ranges, const struct er_range *range, uint32_t id)
{
    struct entry entry = { { [LOW] = { .rank = range->low_rank },
                             [HIGH] = { .rank = range->high_rank },
                             [FIRST] = { .range = range },
                             [LINK] = { .id = id } } };
    struct step steps[HEIGHT];
    struct supply supply = { .n = 0 };
    unsigned depth;

    if (!grow_root(ranges)) {
        return false;
    }
    depth = descend(ranges, range, steps);
    if (!supply_fill(ranges, steps, depth, &supply)) {
        return false;
    }
    put(ranges, steps, depth, entry, &supply);
    return true;
}

/* ---- removing ---- */

/* Joins a child and the one after it if they are small. */
static bool merge(struct er_ranges *ranges, struct er_ranges_node *parent, unsigned at)
{
    struct er_ranges_node *left, *right;
    struct entry entry;

    if (at + 1 >= parent->n) {
        return false;
    }
    left = part_of(parent, LINK)[at].child;
    right = part_of(parent, LINK)[at + 1].child;
    if (left->n + right->n > (int)MERGED) {
        return false;
    }
    move_entries(left, right, 0);
    node_free(ranges, right);
    erase(parent, at + 1);
    entry = summary(left);
    replace(parent, at, &entry);
    return true;
}

/* A child has lost an entry. */
static void tidy(struct er_ranges *ranges, struct er_ranges_node *parent, unsigned at)
{
    struct er_ranges_node *child = part_of(parent, LINK)[at].child;
    struct entry entry;

    if (child->n == 0) {
        node_free(ranges, child);
        erase(parent, at);
        return;
    }
    entry = summary(child);
    replace(parent, at, &entry);
    if (!merge(ranges, parent, at) && at > 0) {
        merge(ranges, parent, at - 1);
    }
}

static void trim_root(struct er_ranges *ranges)
{
    struct er_ranges_node *root = ranges->root;

    while (root->n == 1 && !is_leaf(root)) {
        ranges->root = part_of(root, LINK)[0].child;
        node_free(ranges, root);
        root = ranges->root;
    }
    if (root->n == 0) {
        node_free(ranges, root);
        ranges->root = NULL;
    }
}

void er_ranges_remove(struct er_ranges *ranges, const struct er_range *range)
{
    struct step steps[HEIGHT];
    unsigned depth = descend(ranges, range, steps);

    erase(steps[depth - 1].node, steps[depth - 1].at - 1);
    for (unsigned level = depth - 1; level > 0; level--) {
        tidy(ranges, steps[level - 1].node, steps[level - 1].at);
    }
    trim_root(ranges);
}

static void free_below(struct er_ranges *ranges, struct er_ranges_node *node)
{
    for (unsigned i = 0; i < node->n && !is_leaf(node); i++) {
        free_below(ranges, part_of(node, LINK)[i].child);
    }
    node_free(ranges, node);
}

void er_ranges_fini(struct er_ranges *ranges)
{
    if (ranges->root != NULL) {
        free_below(ranges, ranges->root);
        ranges->root = NULL;
    }
}

/* ---- asking ---- */

struct question {
    const struct er_decimal *number;
    int64_t rank;
    void (*found)(void *context, uint32_t id);
    void *context;
};

/* The number has the rank of one of the entry's bounds. */
static bool lies_inside(const struct er_ranges_node *node, unsigned at, const struct question *question)
{
    return er_range_begins_by(look_at(node, FIRST)[at].range, question->number) &&
           er_range_lasts_to(highest_of(node, at), question->number);
}

/* The ranks of a node, all at once, before the first of them is waited for. */
static void prefetch(const struct er_ranges_node *node)
{
    const char *p = (const char *)node;

    for (size_t at = 0; at < sizeof *node + 2 * FAN * sizeof(union word); at += 64) {
        __builtin_prefetch(p + at);
    }
}

static void find_in(const struct er_ranges_node *node, const struct question *question)
{
    const union word *lows = look_at(node, LOW), *highs = look_at(node, HIGH), *links = look_at(node, LINK);
    int64_t rank = question->rank;

    for (unsigned i = 0; i < node->n && lows[i].rank <= rank; i++) {
        if (highs[i].rank < rank || ((lows[i].rank == rank || highs[i].rank == rank) && !lies_inside(node, i, question))) {
            continue;
        }
        if (is_leaf(node)) {
            question->found(question->context, (uint32_t)links[i].id);
        } else {
            prefetch(links[i].child);
            find_in(links[i].child, question);
        }
    }
}

void er_ranges_find(const struct er_ranges *ranges, const struct er_decimal *number, void (*found)(void *context, uint32_t id),
                    void *context)
{
    struct question question = { number, er_decimal_rank(number), found, context };

    if (ranges->root != NULL) {
        find_in(ranges->root, &question);
    }
}
