/* eventrouterctl rule convert: rules of other systems on their way to us. */
#include "admin/ctl_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "admin/ctl_convert.h"
#include "admin/ctl_documents.h"
#include "admin/ctl_yaml.h"

static const struct {
    const char *name;
    void (*convert)(struct er_convert *convert, const struct er_json *value, const char *place);
    bool yaml;
} systems[] = {
    { "eventbridge", er_convert_eventbridge, false },
    { "knative", er_convert_knative, true },
    { "hermes", er_convert_hermes, false },
};
enum { SYSTEMS = sizeof systems / sizeof *systems };

static size_t find_system(const char *name)
{
    size_t i = 0;

    while (i < SYSTEMS && strcmp(systems[i].name, name) != 0) {
        i++;
    }
    return i;
}

static bool convert_json(struct er_convert *convert, size_t system, const char *name)
{
    struct er_ctl_documents documents;
    bool fine;

    if (!er_ctl_documents_new(&documents)) {
        return false;
    }
    er_ctl_documents_read(&documents, name);
    for (size_t i = 0; i < documents.n && documents.errors == 0; i++) {
        systems[system].convert(convert, documents.items[i].json, documents.items[i].place);
    }
    fine = documents.errors == 0;
    er_ctl_documents_free(&documents);
    return fine;
}

/* JSON is read as JSON; everything else as YAML. */
static bool convert_yaml(struct er_convert *convert, size_t system, const char *name)
{
    struct er_buf text = { 0 };
    struct er_json *documents = NULL;
    struct er_err err;
    enum er_code code = er_ctl_read_file(name, &text, &err);
    const char *place = strcmp(name, "-") == 0 ? "standard input" : name;

    if (code == ER_OK) {
        code = er_ctl_yaml_parse(convert->arena, er_buf_str(&text), &documents, &err);
        if (code != ER_OK) {
            er_ctl_error(code, "%s: %s", place, err.text);
        }
    } else {
        er_ctl_error(code, "%s", err.text);
    }
    for (const struct er_json *d = code == ER_OK ? documents->first : NULL; d != NULL; d = d->next) {
        if (d->type == ER_JSON_ARRAY) {
            for (const struct er_json *element = d->first; element != NULL; element = element->next) {
                systems[system].convert(convert, element, place);
            }
        } else {
            systems[system].convert(convert, d, place);
        }
    }
    er_buf_free(&text);
    return code == ER_OK;
}

static bool write_report(const struct er_convert *convert, const char *name)
{
    FILE *file = name == NULL ? stderr : fopen(name, "w");
    bool fine = file != NULL;

    if (fine && convert->report.n > 0) {
        fine = fwrite(convert->report.p, 1, convert->report.n, file) == convert->report.n;
    }
    if (file != NULL && file != stderr) {
        fine = fclose(file) == 0 && fine;
    }
    if (!fine) {
        er_ctl_error(ER_E_FILE, "%s: %s", name == NULL ? "standard error" : name, strerror(errno));
    }
    return fine;
}

static enum er_ctl_exit finish(struct er_convert *convert, const char *report)
{
    if (convert->no_memory || convert->documents.failed || convert->report.failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        return ER_CTL_USAGE;
    }
    if (!write_report(convert, report)) {
        return ER_CTL_USAGE;
    }
    er_ctl_put(er_buf_str(&convert->documents));
    (void)fflush(stdout);
    (void)fprintf(stderr, "%zu subscription%s written, %zu thing%s lost, %zu remark%s\n", convert->n, convert->n == 1 ? "" : "s",
                  convert->lost, convert->lost == 1 ? "" : "s", convert->notes - convert->lost,
                  convert->notes - convert->lost == 1 ? "" : "s");
    return convert->lost == 0 ? ER_CTL_OK : ER_CTL_NEGATIVE;
}

enum er_ctl_exit er_ctl_run_rule_convert(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const char *from = er_ctl_value(args, "from"), *report = er_ctl_value(args, "report");
    const char *name = er_ctl_operands(args) > 0 ? er_ctl_operand(args, 0) : "-";
    struct er_convert convert = { .subscriber = er_ctl_value(args, "subscriber"), .json_report = report != NULL };
    size_t system = from == NULL ? SYSTEMS : find_system(from);
    enum er_ctl_exit result = ER_CTL_USAGE;

    (void)ctl;
    if (system == SYSTEMS) {
        er_ctl_error(ER_E_USAGE, "--from is eventbridge, knative or hermes");
        return ER_CTL_USAGE;
    }
    convert.arena = er_arena_new(0);
    if (convert.arena == NULL) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        return ER_CTL_USAGE;
    }
    if (systems[system].yaml ? convert_yaml(&convert, system, name) : convert_json(&convert, system, name)) {
        result = finish(&convert, report);
    }
    er_buf_free(&convert.documents);
    er_buf_free(&convert.report);
    er_arena_free(convert.arena);
    free(convert.ids);
    return result;
}
