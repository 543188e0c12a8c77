#include "router/config_load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include "rules/base/utf8.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define SECRET_MAX_BYTES ((size_t)1 << 16)
#define LINE_MAX_BYTES ((size_t)1 << 14)
#define VARIABLE_PREFIX "EVENTROUTER_"
#define PREFIX_LENGTH (sizeof VARIABLE_PREFIX - 1)

static const char *origin_printf(struct er_loader *loader, const char *format, ...) ER_PRINTF(2, 3);
static const char *origin_printf(struct er_loader *loader, const char *format, ...)
{
    char text[4200];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    er_loader_one_line(text);
    return er_loader_text(loader, er_str_of(text));
}

/* All of a file that may be a pipe. Errors: -1 with errno; EFBIG when it is longer than max. */
static int read_all(const char *path, size_t max, struct er_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char chunk[8192];
    ssize_t n;
    int saved;

    if (fd < 0)
        return -1;
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        er_buf_add(out, (struct er_str){ chunk, (size_t)n });
        if (out->n > max || out->failed) {
            errno = out->failed ? ENOMEM : EFBIG;
            n = -1;
            break;
        }
    }
    saved = errno;
    (void)close(fd);
    errno = saved;
    return n < 0 ? -1 : 0;
}

/* ---- file ---- */

/* inih calls next_line for each line and then on_key for the key it found there: so `line` is the line of on_key. */
struct file_reader {
    struct er_loader *loader;
    const char *path;
    struct er_str rest;
    unsigned line;
    bool skip; /* inside a section that is unknown or malformed: its keys would only repeat the error */
};

static const char *file_origin(struct file_reader *f)
{
    return origin_printf(f->loader, "%s:%u", f->path, f->line);
}

/* Sections are judged here because inih reports neither an empty nor (all of the) malformed ones. */
static void on_section(struct file_reader *f, struct er_str line)
{
    const char *end = memchr(line.p, ']', line.n);
    struct er_str name;
    const char *near;

    f->skip = true;
    if (end == NULL) {
        er_loader_error(f->loader, file_origin(f), ER_E_CONFIG, "the section has no closing bracket; write [name]");
        return;
    }
    name = (struct er_str){ line.p + 1, (size_t)(end - line.p) - 1 };
    near = er_section_suggest(name);
    if (er_section_known(name))
        f->skip = false;
    else
        er_loader_error(f->loader, file_origin(f), ER_E_CONFIG_UNKNOWN_KEY, "unknown section [%.*s]%s%s%s",
                        (int)(name.n < 60 ? name.n : 60), name.p, near == NULL ? "; remove it" : "; did you mean [",
                        near == NULL ? "" : near, near == NULL ? "" : "]?");
}

/* The reader that inih asks for the next line; like fgets. */
static char *next_line(char *out, int size, void *arg)
{
    struct file_reader *f = arg;
    const char *end;
    size_t n;
    struct er_str line;

    if (f->rest.n == 0)
        return NULL;
    end = memchr(f->rest.p, '\n', f->rest.n);
    n = end == NULL ? f->rest.n : (size_t)(end - f->rest.p) + 1;
    line = er_loader_trim((struct er_str){ f->rest.p, n });
    f->line++;
    if (line.n > LINE_MAX_BYTES || line.n + 2 > (size_t)size) {
        er_loader_error(f->loader, file_origin(f), ER_E_CONFIG,
                        "the line is over %zu bytes; shorten it or give the value in a variable", LINE_MAX_BYTES);
        line.n = 0;
    }
    if (line.n > 0 && line.p[0] == '[')
        on_section(f, line);
    memcpy(out, line.n == 0 ? "" : line.p, line.n);
    memcpy(out + line.n, "\n", 2);
    f->rest = (struct er_str){ f->rest.p + n, f->rest.n - n };
    return out;
}

static int on_key(void *arg, const char *section, const char *name, const char *value)
{
    struct file_reader *f = arg;

    if (value == NULL || name[0] == '\0') {
        /* The line is not repeated: it may be a secret whose equals sign was forgotten. */
        er_loader_error(f->loader, file_origin(f), ER_E_CONFIG, "the line is no setting; write key = value");
    } else if (section[0] == '\0' && !f->skip) {
        er_loader_error(f->loader, file_origin(f), ER_E_CONFIG, "\"%.60s\" stands before the first [section]; move it into one",
                        name);
    } else if (!f->skip) {
        er_loader_set(f->loader, &(struct er_assignment){ er_str_of(section), er_str_of(name), er_str_of(value), file_origin(f),
                                                          ER_RANK_FILE, NULL });
    }
    return 1;
}

/* Zero bytes would end lines early inside inih, and bytes that are not UTF-8 would spoil logs and metrics. */
static bool text_legal(struct file_reader *f)
{
    size_t bad = er_utf8_check(f->rest);
    const char *zero = f->rest.n == 0 ? NULL : memchr(f->rest.p, '\0', f->rest.n);

    if (zero != NULL && (size_t)(zero - f->rest.p) < bad)
        bad = (size_t)(zero - f->rest.p);
    if (bad == f->rest.n)
        return true;
    f->line = 1;
    for (size_t i = 0; i < bad; i++)
        f->line += f->rest.p[i] == '\n' ? 1 : 0;
    er_loader_error(f->loader, file_origin(f), ER_E_CONFIG, "byte %zu of the file is not UTF-8 text; correct it", bad);
    return false;
}

static void parse(struct file_reader *f)
{
    int line;

    /* Debian's inih takes these at run time; its defaults cut lines at 200 bytes and join indented ones. */
    ini_use_stack = false;
    ini_max_line = (int)LINE_MAX_BYTES + 3;
    ini_initial_alloc = ini_max_line;
    ini_allow_multiline = false;
    ini_allow_no_value = true;
    if (!text_legal(f))
        return;
    line = ini_parse_stream(next_line, f, on_key, f);
    if (line == -2)
        f->loader->no_memory = true;
    if (line > 0 && f->loader->first == ER_OK)
        er_loader_error(f->loader, origin_printf(f->loader, "%s:%d", f->path, line), ER_E_CONFIG,
                        "the line is malformed; write key = value");
}

void er_loader_file(struct er_loader *loader, const char *path, bool required)
{
    struct er_buf text = { 0 };
    struct file_reader f = { .loader = loader, .path = path };

    if (read_all(path, FILE_MAX_BYTES, &text) == 0) {
        f.rest = er_buf_str(&text);
        parse(&f);
    } else if (errno == EFBIG) {
        er_loader_error(loader, path, ER_E_CONFIG, "the file is over %zu bytes; this is no configuration", FILE_MAX_BYTES);
    } else if (required || errno != ENOENT) {
        er_loader_error(loader, path, ER_E_CONFIG, "the file cannot be read: %s; name a readable file with -c", strerror(errno));
    }
    er_buf_free(&text);
}

/* ---- environment ---- */

/* Variables that are not settings of the daemon: the command line client's, and those that Kubernetes adds for a service that is
 * called eventrouter. */
static bool foreign_variable(struct er_str name)
{
    static const struct {
        const char *text;
        bool prefix;
    } rows[] = { { "SOCKET", false }, { "PORT", false }, { "PORT_", true }, { "SERVICE_HOST", false }, { "SERVICE_PORT", true } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].text);

        if (name.n >= n && (rows[i].prefix || name.n == n) && memcmp(name.p, rows[i].text, n) == 0)
            return true;
    }
    return false;
}

/* EVENTROUTER_DEAD__LETTER_TOPIC without its prefix -> dead_letter.topic: one underscore is a dot, two are one, three a hyphen.
 * "" when the name has other runs or characters. out holds name.n + 1 bytes. */
static struct er_str decode_variable(struct er_str name, char *out)
{
    static const char separators[] = { '\0', '.', '_', '-' };
    size_t n = 0;

    for (size_t i = 0; i < name.n;) {
        size_t run = 0;

        while (i + run < name.n && name.p[i + run] == '_')
            run++;
        if (run >= sizeof separators || (run == 0 && !isupper((unsigned char)name.p[i]) && !isdigit((unsigned char)name.p[i])))
            return (struct er_str){ out, 0 };
        out[n++] = run > 0 ? separators[run] : (char)tolower((unsigned char)name.p[i]);
        i += run > 0 ? run : 1;
    }
    return (struct er_str){ out, n };
}

static bool has_variable(char *const *environment, struct er_str name)
{
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name.p, name.n) == 0 && (*environment)[name.n] == '=')
            return true;
    }
    return false;
}

/* Value of a *_FILE variable: the file's text without its last line end. False: reported. */
static bool read_secret(struct er_loader *loader, const char *origin, const char *path, struct er_buf *out)
{
    if (read_all(path, SECRET_MAX_BYTES, out) != 0) {
        er_loader_error(loader, origin, ER_E_CONFIG, "the file \"%.200s\" cannot be read: %s", path, strerror(errno));
        return false;
    }
    if (out->n > 0 && memchr(out->p, '\0', out->n) != NULL) {
        er_loader_error(loader, origin, ER_E_CONFIG, "the file \"%.200s\" holds a zero byte; it is no text", path);
        return false;
    }
    if (out->n > 0 && out->p[out->n - 1] == '\n')
        out->n--;
    if (out->n > 0 && out->p[out->n - 1] == '\r')
        out->n--;
    return true;
}

struct variable {
    struct er_str name; /* with prefix */
    const char *value;
    const char *origin;
    struct er_str file_base; /* name without _FILE; n = 0 when it does not end so */
};

static void set_variable(struct er_loader *loader, const struct variable *v, struct er_str name)
{
    struct er_assignment a = { .value = er_str_of(v->value), .origin = v->origin, .rank = ER_RANK_ENVIRONMENT };
    struct er_buf secret = { 0 };
    char *decoded = malloc(name.n + 1);
    struct er_str full;

    a.variable = v->origin;
    if (decoded == NULL) {
        loader->no_memory = true;
        return;
    }
    full = decode_variable((struct er_str){ name.p + PREFIX_LENGTH, name.n - PREFIX_LENGTH }, decoded);
    if (full.n == 0 || !er_option_split(full, &a.section, &a.key)) {
        a.section = (struct er_str){ full.p, 0 };
        a.key = full;
    }
    if (v->file_base.n == 0) {
        er_loader_set(loader, &a);
    } else if (read_secret(loader, v->origin, v->value, &secret)) {
        a.value = er_buf_str(&secret);
        er_loader_set(loader, &a);
    }
    er_buf_free(&secret);
    free(decoded);
}

void er_loader_environment(struct er_loader *loader, char *const *environment)
{
    static const char suffix[] = "_FILE";
    const size_t suffix_length = sizeof suffix - 1;

    for (char *const *e = environment; e != NULL && *e != NULL; e++) {
        const char *equals = strchr(*e, '=');
        struct variable v = { .value = equals == NULL ? "" : equals + 1 };

        v.name = (struct er_str){ *e, equals == NULL ? 0 : (size_t)(equals - *e) };
        if (v.name.n <= PREFIX_LENGTH || memcmp(v.name.p, VARIABLE_PREFIX, PREFIX_LENGTH) != 0 ||
            foreign_variable((struct er_str){ v.name.p + PREFIX_LENGTH, v.name.n - PREFIX_LENGTH }))
            continue;
        v.origin = origin_printf(loader, "environment %.*s", (int)(v.name.n < 300 ? v.name.n : 300), v.name.p);
        if (v.name.n > PREFIX_LENGTH + suffix_length && memcmp(v.name.p + v.name.n - suffix_length, suffix, suffix_length) == 0)
            v.file_base = (struct er_str){ v.name.p, v.name.n - suffix_length };
        if (v.file_base.n > 0 && has_variable(environment, v.file_base))
            er_loader_error(loader, v.origin, ER_E_CONFIG, "%.*s is set too; keep one of the two", (int)v.file_base.n,
                            v.file_base.p);
        else
            set_variable(loader, &v, v.file_base.n > 0 ? v.file_base : v.name);
    }
}

/* ---- -o ---- */

void er_loader_override(struct er_loader *loader, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    struct er_assignment a = { .origin = "-o", .rank = ER_RANK_OVERRIDE };
    struct er_str name;

    if (equals == NULL) {
        er_loader_error(loader, "-o", ER_E_CONFIG, "an argument has no equals sign; write -o section.key=value");
        return;
    }
    name = er_loader_trim((struct er_str){ assignment, (size_t)(equals - assignment) });
    a.value = er_str_of(equals + 1);
    if (!er_option_split(name, &a.section, &a.key))
        a.key = name;
    er_loader_set(loader, &a);
}
