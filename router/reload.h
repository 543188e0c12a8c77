/* The configuration at run time: shown, and read again. Main thread. */
#ifndef ER_ROUTER_RELOAD_H
#define ER_ROUTER_RELOAD_H

#include "router/config.h"
#include "router/log.h"
#include "rules/base/json_write.h"

/* Members of an open object: "log_level" (of now) and "items" with key, value, origin. */
void er_config_write(const struct er_config *config, const struct er_log *log, struct er_json_writer *w);

/* "error", "warn", "info", "debug"; false: it is none. */
bool er_log_level_read(struct er_str name, enum er_log_level *out);
const char *er_log_level_name(enum er_log_level level);

struct er_reload {
    const struct er_config_input *input;
    const struct er_config *running; /* stays as it is: everything has been made of it */
    struct er_log *log;
    bool dry_run;
};

/* Reads and checks everything again. What can change at run time (log.level) does; members of an open object say what: "applied" and
 * "restart", arrays of key, from, to. Keys that a restart would change are in the second; secrets are not compared. With errors nothing
 * changes, and they are lines in errors: ER_E_CONFIG*, ER_E_NOMEM. */
enum er_code er_reload(const struct er_reload *reload, struct er_json_writer *w, struct er_buf *errors) ER_MUST_CHECK;

#endif
