/* DESIGN  One search, one or two stages; the first answer stands:
 *
 *   quick     short subjects: the whole search with few steps per start position, no clock
 *   chunks    start positions in chunks, each a small piece of work; the clock is looked at between chunks
 *
 * A simple pattern has an automaton, which answers for short subjects instead of all this.
 *
 * A chunk that runs out of steps is tried again with more of them, or as a smaller one; a position alone gets more until the match
 * limit or the clock ends it: undecided. Between chunks, positions at which PCRE2 itself would not start are skipped, so that it never
 * looks for the next possible start through the whole subject again and again.
 *
 * Clocks: the budget is CPU time of the thread, which costs a system call to read. CPU time cannot pass faster than the monotonic
 * clock, so that one, which is cheap, is looked at first.
 */
#include "rules/language/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include "rules/language/regex_automaton.h"
#include "rules/language/regex_syntax.h"

#define COMPILE_OPTIONS (PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_BACKSLASH_C)

enum {
    JIT_AFTER = 512,          /* searches; machine code of rarely used patterns only fills caches */
    JIT_STACK_MIN = 32 << 10, /* bytes */
    JIT_STACK_MAX = 512 << 10,
    QUICK_BYTES = 2048,     /* longest subject of the quick stage */
    QUICK_STEPS = 8192,     /* of all its start positions together */
    CHUNK_STEPS = 8192,     /* of all start positions of a chunk together; a step takes up to 0.2 us */
    STEPS_MIN = 8,          /* of one start position */
    CHUNK_BYTES = 8 << 20,  /* start positions times subject length: one step may read the whole subject */
    CHUNK_MIN = 8,          /* start positions */
    STEPS_BYTES = 4 << 20,  /* steps of the first chunk times subject length, for the same reason */
    CHUNK_FAST_NS = 100000, /* a chunk faster than this may grow */
    UNCLOCKED_BYTES = 4096, /* of subjects of an event until the clock is looked at */
    SEARCH_WEIGHT = 128,    /* what a search of the empty subject counts in these bytes */
    FREE_SEARCHES = 8,      /* by PCRE2 in one event, without a look at the clock for each */
    FREE_PART = 64,         /* of a limit */
    END_PART = 8,           /* of an event's limit, kept for its end */
};

enum jit_state { JIT_NONE, JIT_CLAIMED };

struct er_regex {
    atomic_size_t refs;
    struct er_str text;
    struct er_str *literals;
    size_t n_literals;
    struct er_automaton *automaton; /* of a simple pattern, or NULL */
    pcre2_code *code;               /* for the interpreter; never changed after compilation */
    _Atomic(pcre2_code *) jit;      /* a copy with machine code, published once */
    atomic_uint searches;           /* counted until the claim */
    atomic_int jit_state;
    bool anchored;   /* can only match at the subject's start */
    bool first_line; /* can only match at the start or after a line feed */
    bool has_first_set;
    uint64_t first_set[4];       /* bit per byte that a match can start with */
    int first_byte, first_other; /* the byte a match starts with, in both cases; -1: unknown */
};

/* Time since a start, as CPU time of the thread once it matters. */
struct stopwatch {
    bool running, cpu_known;
    uint64_t wall_ns, cpu_ns;
};

struct er_regex_scratch {
    struct er_regex_limits limits;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* made when first needed */
    struct stopwatch event;
    uint64_t event_ns; /* that it has for the event */
    size_t unclocked;
    unsigned searches; /* by PCRE2 */
    bool overran;
    bool event_spent;
    const char *reason;
};

/* One search: what both stages need. */
struct search {
    struct er_regex *regex;
    struct er_regex_scratch *scratch;
    struct er_str subject;
    pcre2_code *jit; /* or NULL */
};

static const char reason_time[] = "time limit of one value reached";
static const char reason_event[] = "time limit of one event reached";

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* How much of the limit is left, at least; 0: nothing. Starts when first asked. CPU time counts from when a small part of the limit has passed
 * on the cheap clock, and is looked at again only when that one says that all of it has. */
static uint64_t stopwatch_left(struct stopwatch *watch, uint64_t limit_ns)
{
    uint64_t wall = now_ns(CLOCK_MONOTONIC), cpu;

    if (!watch->running) {
        *watch = (struct stopwatch){ .running = true, .wall_ns = wall };
        return limit_ns;
    }
    wall -= watch->wall_ns;
    if (wall < limit_ns / FREE_PART) {
        return limit_ns - wall;
    }
    if (!watch->cpu_known) {
        watch->cpu_known = true;
        watch->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
        return limit_ns;
    }
    if (wall < limit_ns) {
        return limit_ns - wall;
    }
    cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - watch->cpu_ns;
    return cpu < limit_ns ? limit_ns - cpu : 0;
}

static void find_first(struct er_regex *regex)
{
    uint32_t options = 0, type = 0, unit = 0;
    const uint8_t *bitmap = NULL;

    regex->first_byte = -1;
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_ALLOPTIONS, &options);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTCODETYPE, &type);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTCODEUNIT, &unit);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTBITMAP, &bitmap);
    regex->anchored = (options & PCRE2_ANCHORED) != 0;
    regex->first_line = type == 2;
    if (type == 1 && unit < 0x80) {
        /* PCRE2 does not tell whether case counts here, so both are looked for. */
        bool letter = (unit | 0x20) >= 'a' && (unit | 0x20) <= 'z';

        regex->first_byte = (int)unit;
        regex->first_other = letter ? (int)(unit ^ 0x20) : (int)unit;
    } else if (type == 0 && bitmap != NULL) {
        regex->has_first_set = true;
        for (unsigned byte = 0; byte < 256; byte++) {
            /* Only the first byte of a character can start a match. */
            if ((byte & 0xC0) != 0x80 && (bitmap[byte / 8] & (1u << byte % 8)) != 0) {
                regex->first_set[byte / 64] |= UINT64_C(1) << byte % 64;
            }
        }
    }
}

static enum er_code compile_error(struct er_err *err, int number, size_t offset)
{
    PCRE2_UCHAR text[160];

    if (number == PCRE2_ERROR_HEAP_FAILED) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    if (number == PCRE2_ERROR_BACKSLASH_C_CALLER_DISABLED) {
        return er_err_at(err, ER_E_REGEX_FORBIDDEN, offset, "\\C (a single byte) before byte %zu cannot be used here", offset);
    }
    if (pcre2_get_error_message(number, text, sizeof text) < 0) {
        text[0] = '\0';
    }
    return er_err_at(err, ER_E_REGEX_COMPILE, offset, "the regex does not compile at byte %zu: %s", offset, (const char *)text);
}

static enum er_code compile_code(struct er_regex *regex, struct er_err *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    PCRE2_SIZE offset = 0;
    int number = PCRE2_ERROR_HEAP_FAILED;

    if (context != NULL && pcre2_set_newline(context, PCRE2_NEWLINE_LF) == 0 && pcre2_set_bsr(context, PCRE2_BSR_UNICODE) == 0) {
        regex->code =
            pcre2_compile((PCRE2_SPTR)(const void *)regex->text.p, regex->text.n, COMPILE_OPTIONS, &number, &offset, context);
    }
    pcre2_compile_context_free(context);
    return regex->code != NULL ? ER_OK : compile_error(err, number, offset);
}

static bool copy_text(struct er_regex *regex, struct er_str pattern)
{
    char *text = malloc(pattern.n + 1);

    if (text == NULL) {
        return false;
    }
    if (pattern.n > 0) {
        memcpy(text, pattern.p, pattern.n);
    }
    text[pattern.n] = '\0';
    regex->text = (struct er_str){ text, pattern.n };
    return true;
}

/* Array and bytes are one allocation. */
static bool find_literals(struct er_regex *regex)
{
    char text[ER_REGEX_MAX_BYTES];
    struct er_str found[ER_REGEX_LITERALS];
    size_t n = er_regex_find_literals(regex->text, text, found);
    size_t bytes = 0;
    char *copy;

    for (size_t i = 0; i < n; i++) {
        bytes += found[i].n;
    }
    if (n == 0) {
        return true;
    }
    regex->literals = malloc(n * sizeof found[0] + bytes);
    if (regex->literals == NULL) {
        return false;
    }
    regex->n_literals = n;
    copy = (char *)(regex->literals + n);
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, found[i].p, found[i].n);
        regex->literals[i] = (struct er_str){ copy, found[i].n };
        copy += found[i].n;
    }
    return true;
}

enum er_code er_regex_compile(struct er_str pattern, struct er_regex **out, struct er_err *err)
{
    struct er_regex *regex;
    enum er_code code = er_regex_check_features(pattern, err);

    *out = NULL;
    if (code != ER_OK) {
        return code;
    }
    regex = calloc(1, sizeof *regex);
    if (regex == NULL || !copy_text(regex, pattern)) {
        free(regex);
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    atomic_init(&regex->refs, 1);
    code = compile_code(regex, err);
    if (code == ER_OK && (!find_literals(regex) || !er_automaton_new(regex->text, &regex->automaton))) {
        code = er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    if (code != ER_OK) {
        er_regex_unref(regex);
        return code;
    }
    find_first(regex);
    *out = regex;
    return ER_OK;
}

struct er_regex *er_regex_ref(struct er_regex *regex)
{
    atomic_fetch_add_explicit(&regex->refs, 1, memory_order_relaxed);
    return regex;
}

void er_regex_unref(struct er_regex *regex)
{
    if (regex == NULL || atomic_fetch_sub_explicit(&regex->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    pcre2_code_free(atomic_load_explicit(&regex->jit, memory_order_acquire));
    pcre2_code_free(regex->code);
    er_automaton_free(regex->automaton);
    free(regex->literals);
    free((void *)(uintptr_t)regex->text.p);
    free(regex);
}

struct er_str er_regex_text(const struct er_regex *regex)
{
    return regex->text;
}

const struct er_str *er_regex_literals(const struct er_regex *regex, size_t *n)
{
    *n = regex->n_literals;
    return regex->literals;
}

struct er_str er_regex_literal(const struct er_regex *regex)
{
    struct er_str longest = { NULL, 0 };

    for (size_t i = 0; i < regex->n_literals; i++) {
        longest = regex->literals[i].n > longest.n ? regex->literals[i] : longest;
    }
    return longest;
}

struct er_str er_regex_prefix(const struct er_regex *regex)
{
    return regex->automaton == NULL ? (struct er_str){ NULL, 0 } : er_automaton_prefix(regex->automaton);
}

bool er_regex_is_quick(const struct er_regex *regex, size_t subject_bytes)
{
    return regex->automaton != NULL && subject_bytes <= QUICK_BYTES;
}

struct er_regex_limits er_regex_default_limits(void)
{
    return (struct er_regex_limits){ .match_limit = 100000, .heap_kib = 1024, .value_ns = 5000000, .event_ns = 20000000 };
}

struct er_regex_scratch *er_regex_scratch_new(const struct er_regex_limits *limits)
{
    struct er_regex_scratch *scratch = calloc(1, sizeof *scratch);

    if (scratch == NULL) {
        return NULL;
    }
    scratch->limits = *limits;
    scratch->event_ns = limits->event_ns;
    scratch->data = pcre2_match_data_create(1, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    if (scratch->data == NULL || scratch->context == NULL || pcre2_set_heap_limit(scratch->context, limits->heap_kib) != 0) {
        er_regex_scratch_free(scratch);
        return NULL;
    }
    return scratch;
}

void er_regex_scratch_free(struct er_regex_scratch *scratch)
{
    if (scratch == NULL) {
        return;
    }
    pcre2_match_data_free(scratch->data);
    pcre2_match_context_free(scratch->context);
    pcre2_jit_stack_free(scratch->stack);
    free(scratch);
}

void er_regex_scratch_begin_event(struct er_regex_scratch *scratch)
{
    scratch->event.running = false;
    scratch->event_ns = scratch->limits.event_ns - scratch->limits.event_ns / END_PART;
    scratch->unclocked = 0;
    scratch->searches = 0;
    scratch->event_spent = false;
}

void er_regex_scratch_spend(struct er_regex_scratch *scratch, uint64_t ns)
{
    scratch->event_ns = scratch->event_ns > ns ? scratch->event_ns - ns : 0;
    scratch->event_spent = stopwatch_left(&scratch->event, scratch->event_ns) == 0;
}

const char *er_regex_scratch_reason(const struct er_regex_scratch *scratch)
{
    return scratch->reason;
}

/* The thread that claims it compiles a private copy, so that no other one ever sees half of it. A failure is final: the interpreter
 * gives the same answers. */
static void make_jit(struct er_regex *regex)
{
    int none = JIT_NONE;
    pcre2_code *copy;

    if (!atomic_compare_exchange_strong(&regex->jit_state, &none, JIT_CLAIMED)) {
        return;
    }
    copy = pcre2_code_copy(regex->code);
    if (copy == NULL) {
        return;
    }
    if (pcre2_jit_compile(copy, PCRE2_JIT_COMPLETE) != 0) {
        pcre2_code_free(copy);
        return;
    }
    atomic_store_explicit(&regex->jit, copy, memory_order_release);
}

/* Machine code for this search, if there is some and this thread has a stack for it. */
static pcre2_code *jit_code(struct er_regex *regex, struct er_regex_scratch *scratch)
{
    pcre2_code *jit = atomic_load_explicit(&regex->jit, memory_order_acquire);

    if (jit == NULL) {
        if (atomic_load_explicit(&regex->jit_state, memory_order_relaxed) == JIT_NONE &&
            atomic_fetch_add_explicit(&regex->searches, 1, memory_order_relaxed) + 1 >= JIT_AFTER) {
            make_jit(regex);
            jit = atomic_load_explicit(&regex->jit, memory_order_acquire);
        }
        if (jit == NULL) {
            return NULL;
        }
    }
    if (scratch->stack == NULL) {
        scratch->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
        if (scratch->stack == NULL) {
            return NULL;
        }
        pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    }
    return jit;
}

/* Start positions from..last with so many steps each: PCRE2's result. */
static int run_pcre2(const struct search *search, size_t from, size_t last, uint32_t steps)
{
    struct er_regex_scratch *scratch = search->scratch;
    PCRE2_SPTR subject = (PCRE2_SPTR)(const void *)(search->subject.n == 0 ? "" : search->subject.p);
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;

    (void)pcre2_set_offset_limit(scratch->context, last);
    (void)pcre2_set_match_limit(scratch->context, steps);
    if (search->jit != NULL) {
        rc = pcre2_jit_match(search->jit, subject, search->subject.n, from, PCRE2_NO_UTF_CHECK, scratch->data, scratch->context);
    }
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc =
            pcre2_match(search->regex->code, subject, search->subject.n, from, PCRE2_NO_UTF_CHECK, scratch->data, scratch->context);
    }
    return rc;
}

static enum er_truth undecided(struct er_regex_scratch *scratch, const char *reason)
{
    scratch->reason = reason;
    scratch->overran = reason != reason_event;
    return ER_UNDECIDED;
}

static enum er_truth give_up(struct er_regex_scratch *scratch, int rc)
{
    switch (rc) {
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
        return undecided(scratch, "match limit reached");
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_NOMEMORY:
        return undecided(scratch, "regex memory limit reached");
    case PCRE2_ERROR_RECURSELOOP:
        return undecided(scratch, "regex recursion does not end");
    default:
        return undecided(scratch, "regex engine failed");
    }
}

/* First position >= at where a match may start, or n + 1. */
static size_t next_start(const struct er_regex *regex, struct er_str s, size_t at)
{
    const char *found;

    if (regex->first_line && at > 0 && at <= s.n) {
        found = memchr(s.p + at - 1, '\n', s.n - at + 1);
        return found == NULL ? s.n + 1 : (size_t)(found - s.p) + 1;
    }
    if (regex->has_first_set) {
        const uint64_t set[4] = { regex->first_set[0], regex->first_set[1], regex->first_set[2], regex->first_set[3] };

        while (at < s.n && (set[(uint8_t)s.p[at] / 64] >> (uint8_t)s.p[at] % 64 & 1) == 0) {
            at++;
        }
        return at < s.n ? at : s.n + 1;
    }
    if (regex->first_byte >= 0) {
        while (at < s.n && (uint8_t)s.p[at] != regex->first_byte && (uint8_t)s.p[at] != regex->first_other) {
            at++;
        }
        return at < s.n ? at : s.n + 1;
    }
    return at;
}

static size_t character_boundary(struct er_str s, size_t at)
{
    while (at < s.n && ((uint8_t)s.p[at] & 0xC0) == 0x80) {
        at++;
    }
    return at;
}

/* About total / positions, without a division. */
static uint32_t steps_for(uint32_t total, size_t positions, uint32_t limit)
{
    uint32_t each = total >> (63 - __builtin_clzll(positions));

    each = each < STEPS_MIN ? STEPS_MIN : each;
    return each < limit ? each : limit;
}

struct chunk {
    size_t positions, most;
    uint32_t total; /* steps of all its positions together */
    uint32_t steps; /* of each */
};

static bool is_step_limit(int rc)
{
    return rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT;
}

static struct chunk first_chunk(const struct search *search)
{
    size_t most = CHUNK_BYTES / (search->subject.n + 1), total = STEPS_BYTES / (search->subject.n + 1);
    struct chunk chunk = { .most = most < CHUNK_MIN ? CHUNK_MIN : most };

    chunk.positions = search->regex->anchored ? 1 : chunk.most / 8 + 1;
    chunk.total = total < CHUNK_STEPS ? (uint32_t)total : CHUNK_STEPS;
    chunk.total = chunk.total < STEPS_MIN ? STEPS_MIN : chunk.total;
    chunk.steps = steps_for(chunk.total, chunk.positions, search->scratch->limits.match_limit);
    return chunk;
}

/* After a chunk without answer. One that ran out of steps gets more of them while that is cheap, then fewer positions; a position alone
 * gets more until the clock says otherwise, never all at once: one step may read the whole subject. */
static void resize(struct chunk *chunk, int rc, uint64_t took_ns, uint32_t match_limit)
{
    bool fast = took_ns < CHUNK_FAST_NS;

    if (!is_step_limit(rc)) {
        chunk->total = fast && chunk->total < CHUNK_STEPS ? chunk->total * 2 : chunk->total;
        chunk->positions *= fast && chunk->positions < chunk->most ? 2 : 1;
    } else if (chunk->positions == 1) {
        uint64_t more = (uint64_t)chunk->steps * (fast ? 8 : 2);

        chunk->total = more < match_limit ? (uint32_t)more : match_limit;
    } else if (fast && chunk->total < CHUNK_STEPS) {
        chunk->total *= 4;
    } else {
        chunk->positions = chunk->positions / 8 < 1 ? 1 : chunk->positions / 8;
    }
    if (chunk->positions > 1 && chunk->total > CHUNK_STEPS) {
        chunk->total = CHUNK_STEPS;
    }
    chunk->steps = steps_for(chunk->total, chunk->positions, match_limit);
}

/* Time that both the value and the event have left, and which of them has less of it. */
static uint64_t time_left(struct er_regex_scratch *scratch, struct stopwatch *watch, const char **limit)
{
    uint64_t value = stopwatch_left(watch, scratch->limits.value_ns);
    uint64_t event = stopwatch_left(&scratch->event, scratch->event_ns);

    scratch->event_spent = event == 0;
    *limit = event < value ? reason_event : reason_time;
    return event < value ? event : value;
}

/* No more steps than the time allows, if they take as long as those that were not enough. False: it allows no more than those. */
static bool fit(struct chunk *chunk, const struct chunk *tried, uint64_t took_ns, uint64_t left_ns)
{
    if (chunk->positions > 1 || tried->positions > 1 || (uint64_t)chunk->steps * took_ns <= left_ns * tried->steps) {
        return true;
    }
    chunk->steps = (uint32_t)(left_ns * tried->steps / took_ns);
    return chunk->steps > tried->steps;
}

static enum er_truth search_chunks(const struct search *search)
{
    struct er_regex_scratch *scratch = search->scratch;
    struct er_str subject = search->subject;
    struct chunk chunk = first_chunk(search);
    struct stopwatch watch = { 0 };
    const char *limit;
    uint64_t left_ns = time_left(scratch, &watch, &limit);
    size_t at = 0;

    /* PCRE2 finds the first possible start itself, and faster. */
    for (; at <= subject.n && left_ns > 0; at = next_start(search->regex, subject, at)) {
        uint64_t start_ns = now_ns(CLOCK_MONOTONIC), took_ns;
        int rc = run_pcre2(search, at, at + chunk.positions - 1, chunk.steps);
        struct chunk tried = chunk;

        if (rc >= 0) {
            return ER_TRUE;
        }
        if (rc != PCRE2_ERROR_NOMATCH && (!is_step_limit(rc) || chunk.steps == scratch->limits.match_limit)) {
            return give_up(scratch, rc);
        }
        if (rc == PCRE2_ERROR_NOMATCH) {
            if (search->regex->anchored) {
                return ER_FALSE;
            }
            at = at + chunk.positions > subject.n ? subject.n + 1 : character_boundary(subject, at + chunk.positions);
        }
        took_ns = now_ns(CLOCK_MONOTONIC) - start_ns;
        resize(&chunk, rc, took_ns, scratch->limits.match_limit);
        left_ns = time_left(scratch, &watch, &limit);
        if (is_step_limit(rc) && !fit(&chunk, &tried, took_ns, left_ns)) {
            left_ns = 0;
        }
    }
    return at > subject.n ? ER_FALSE : undecided(scratch, limit);
}

/* Short searches are not timed one by one: they add up until it pays to look. */
static bool event_over(struct er_regex_scratch *scratch, size_t subject_bytes)
{
    if (!scratch->event_spent) {
        scratch->unclocked += subject_bytes + SEARCH_WEIGHT;
        if (scratch->unclocked >= UNCLOCKED_BYTES) {
            scratch->unclocked = 0;
            scratch->event_spent = stopwatch_left(&scratch->event, scratch->event_ns) == 0;
        }
    }
    return scratch->event_spent;
}

bool er_regex_scratch_charge(struct er_regex_scratch *scratch, size_t bytes)
{
    bool over = event_over(scratch, bytes);

    scratch->reason = over ? reason_event : NULL;
    return over;
}

bool er_regex_scratch_overran(const struct er_regex_scratch *scratch)
{
    return scratch->overran;
}

bool er_regex_scratch_spent(const struct er_regex_scratch *scratch)
{
    return scratch->event_spent;
}

enum er_truth er_regex_search(struct er_regex *regex, struct er_regex_scratch *scratch, struct er_str subject)
{
    struct search search = { .regex = regex, .scratch = scratch, .subject = subject };

    scratch->reason = NULL;
    scratch->overran = false;
    if (event_over(scratch, subject.n)) {
        return undecided(scratch, reason_event);
    }
    if (er_regex_is_quick(regex, subject.n)) {
        return er_automaton_accepts(regex->automaton, subject) ? ER_TRUE : ER_FALSE;
    }
    if (scratch->searches++ >= FREE_SEARCHES && stopwatch_left(&scratch->event, scratch->event_ns) == 0) {
        scratch->event_spent = true;
        return undecided(scratch, reason_event);
    }
    search.jit = jit_code(regex, scratch);
    if (subject.n <= QUICK_BYTES) {
        uint32_t steps = steps_for(QUICK_STEPS, subject.n + 1, scratch->limits.match_limit);
        int rc = run_pcre2(&search, 0, subject.n, steps);

        if (rc >= 0) {
            return ER_TRUE;
        }
        if (rc == PCRE2_ERROR_NOMATCH) {
            return ER_FALSE;
        }
        if (!is_step_limit(rc) || steps == scratch->limits.match_limit) {
            return give_up(scratch, rc);
        }
    }
    return search_chunks(&search);
}
