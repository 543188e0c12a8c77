#include "admin/ctl_output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names and documents may hold anything: a message stays one line and leaves the terminal alone. */
static void say(struct er_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        (void)fputc(c < 0x20 || c == 0x7f ? '?' : c, stderr);
    }
}

void er_ctl_put(struct er_str text)
{
    if (text.n > 0) {
        (void)fwrite(text.p, 1, text.n, stdout);
    }
}

void er_ctl_error(enum er_code code, const char *format, ...)
{
    char text[2048];
    va_list args;

    (void)fflush(stdout);
    (void)fprintf(stderr, "error[%s]: ", er_code_name(code));
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(er_str_of(text));
    (void)fputc('\n', stderr);
}

void er_ctl_put_offset(struct er_str detail, struct er_str offset)
{
    char byte[40];
    size_t n = (size_t)snprintf(byte, sizeof byte, "at byte %.*s", ER_STR_ARG(offset));

    for (size_t i = 0; n < sizeof byte && i + n <= detail.n; i++) {
        bool whole = i + n == detail.n || detail.p[i + n] < '0' || detail.p[i + n] > '9';

        if (whole && memcmp(detail.p + i, byte, n) == 0) {
            return;
        }
    }
    (void)fprintf(stderr, " (offset %.*s)", ER_STR_ARG(offset));
}

void er_ctl_problems(const struct er_problems *problems, bool warning, const char *where)
{
    for (const struct er_problem *p = problems->first; p != NULL; p = p->next) {
        (void)fprintf(stderr, "%s[%s]: ", warning ? "warning" : "error", er_code_name(p->code));
        say(er_str_of(where));
        (void)fputs(*where == '\0' ? "" : ": ", stderr);
        say(p->pointer);
        (void)fputs(p->pointer.n == 0 ? "" : ": ", stderr);
        say(p->detail);
        if (p->offset != ER_NO_OFFSET) {
            char offset[24];

            (void)snprintf(offset, sizeof offset, "%zu", p->offset);
            er_ctl_put_offset(p->detail, er_str_of(offset));
        }
        (void)fputs(p->hint.n == 0 ? "" : "; ", stderr);
        say(p->hint);
        (void)fputc('\n', stderr);
    }
    if (problems->total > problems->n) {
        say(er_str_of(where));
        (void)fprintf(stderr, "%s%zu more not shown\n", *where == '\0' ? "" : ": ", problems->total - problems->n);
    }
}

enum er_code er_ctl_read_file(const char *name, struct er_buf *out, struct er_err *err)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "rbe");
    char chunk[65536];
    size_t n;
    int failure;

    if (file == NULL) {
        return er_err_set(err, ER_E_FILE, "%s: %s", name, strerror(errno));
    }
    errno = 0;
    while (!out->failed && (n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        er_buf_add(out, (struct er_str){ chunk, n });
    }
    failure = ferror(file) ? (errno != 0 ? errno : EIO) : 0;
    if (file != stdin) {
        (void)fclose(file);
    }
    if (failure != 0) {
        return er_err_set(err, ER_E_FILE, "%s: %s", name, strerror(failure));
    }
    return out->failed ? er_err_set(err, ER_E_NOMEM, "%s does not fit into memory", name) : ER_OK;
}

enum er_ctl_exit er_ctl_finish(enum er_ctl_exit code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        er_ctl_error(ER_E_FILE, "standard output: %s", strerror(errno));
        return code == ER_CTL_OK ? ER_CTL_NEGATIVE : code;
    }
    return code;
}

enum er_ctl_exit er_ctl_ask(bool yes, const char *format, ...)
{
    char answer[16];
    va_list args;

    if (yes) {
        return ER_CTL_OK;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        er_ctl_error(ER_E_USAGE, "this cannot be undone and there is no terminal to ask on; repeat it with --yes");
        return ER_CTL_USAGE;
    }
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputs(" [y/N] ", stderr);
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y') ? ER_CTL_OK : ER_CTL_NEGATIVE;
}

struct er_ctl_table {
    struct er_buf text; /* all cells, one after another */
    size_t *ends;       /* offset in text where cell i ends */
    size_t n;           /* cells, headers first */
    size_t capacity;
    size_t columns;
    bool failed;
};

struct er_ctl_table *er_ctl_table_new(const char *const *headers, size_t columns)
{
    struct er_ctl_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return NULL;
    }
    table->columns = columns;
    for (size_t i = 0; i < columns; i++) {
        er_ctl_table_cell(table, er_str_of(headers[i]));
    }
    return table;
}

void er_ctl_table_cell(struct er_ctl_table *table, struct er_str text)
{
    if (table == NULL || table->failed) {
        return;
    }
    if (table->n == table->capacity) {
        size_t capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
        size_t *ends = realloc(table->ends, capacity * sizeof *ends);

        if (ends == NULL) {
            table->failed = true;
            return;
        }
        table->ends = ends;
        table->capacity = capacity;
    }
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        er_buf_addc(&table->text, c < 0x20 || c == 0x7f ? '?' : text.p[i]);
    }
    table->ends[table->n++] = table->text.n;
    table->failed = table->text.failed;
}

static struct er_str cell(const struct er_ctl_table *table, size_t i)
{
    size_t start = i == 0 ? 0 : table->ends[i - 1];

    return (struct er_str){ table->text.p + start, table->ends[i] - start };
}

/* Characters, not bytes: cells are UTF-8. */
static size_t width(struct er_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    }
    return n;
}

static size_t column_width(const struct er_ctl_table *table, size_t column)
{
    size_t widest = 0;

    for (size_t i = column; i < table->n; i += table->columns) {
        size_t w = width(cell(table, i));

        widest = w > widest ? w : widest;
    }
    return widest;
}

static void print_rows(const struct er_ctl_table *table, const size_t *widths, FILE *file, bool color)
{
    for (size_t i = 0; i < table->n; i++) {
        size_t column = i % table->columns;
        struct er_str text = cell(table, i);
        bool header = i < table->columns;

        (void)fprintf(file, "%s%.*s%s", color && header ? "\033[1m" : "", ER_STR_ARG(text), color && header ? "\033[0m" : "");
        if (column + 1 == table->columns) {
            (void)fputc('\n', file);
        } else {
            (void)fprintf(file, "%*s", (int)(widths[column] - width(text) + 2), "");
        }
    }
}

void er_ctl_table_print(struct er_ctl_table *table, FILE *file, bool color)
{
    size_t *widths;

    if (table == NULL) {
        er_ctl_error(ER_E_NOMEM, "no memory for a table");
        return;
    }
    widths = calloc(table->columns, sizeof *widths);
    if (widths == NULL || table->failed) {
        er_ctl_error(ER_E_NOMEM, "no memory for a table");
    } else {
        for (size_t column = 0; column < table->columns; column++) {
            widths[column] = column_width(table, column);
        }
        print_rows(table, widths, file, color);
    }
    free(widths);
    free(table->ends);
    er_buf_free(&table->text);
    free(table);
}
