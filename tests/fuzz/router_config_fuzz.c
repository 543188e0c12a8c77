#define _GNU_SOURCE /* memfd_create */
/* The configuration from all three sources. Lines "-o ..." and "-e ..." at the start of the input are overrides and variables, the
 * rest is the file. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "router/config.h"

#define LINES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lines {
    char *items[LINES_MAX + 1];
    size_t n;
};

/* Cuts one line with that mark off the start of *text. */
static bool take(struct er_str *text, const char *mark, struct lines *out)
{
    const char *end = text->n == 0 ? NULL : memchr(text->p, '\n', text->n);
    size_t n = end == NULL ? text->n : (size_t)(end - text->p);

    if (out->n == LINES_MAX || n < 3 || memcmp(text->p, mark, 3) != 0)
        return false;
    out->items[out->n++] = strndup(text->p + 3, n - 3);
    *text = (struct er_str){ text->p + n, text->n - n };
    if (text->n > 0)
        *text = (struct er_str){ text->p + 1, text->n - 1 };
    return true;
}

static void release(struct lines *lines)
{
    while (lines->n > 0)
        free(lines->items[--lines->n]);
}

static void load(struct er_str text, const struct lines *overrides, const struct lines *variables)
{
    int fd = memfd_create("er-config-fuzz", MFD_CLOEXEC);
    char path[64];
    const char *given[LINES_MAX];
    struct er_config_input input = {
        .file = path, .overrides = given, .n_overrides = overrides->n, .environment = variables->items
    };
    struct er_config *config = NULL;
    struct er_buf errors = { 0 };
    struct er_buf printed = { 0 };
    enum er_code code;

    if (fd < 0 || write(fd, text.p, text.n) != (ssize_t)text.n)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (size_t i = 0; i < overrides->n; i++)
        given[i] = overrides->items[i];
    code = er_config_load(&input, &config, &errors);
    /* An error says why; without one nothing is said. */
    assert(config != NULL && (code == ER_OK) == (errors.n == 0));
    er_config_print(config, &printed);
    er_config_free(config);
    er_buf_free(&errors);
    er_buf_free(&printed);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct er_str text = { (const char *)data, size };
    struct lines overrides = { .n = 0 };
    struct lines variables = { .n = 0 };

    memset(&variables, 0, sizeof variables);
    while (take(&text, "-o ", &overrides) || take(&text, "-e ", &variables))
        ;
    load(text, &overrides, &variables);
    release(&overrides);
    release(&variables);
    return 0;
}
