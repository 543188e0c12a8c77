/* One SQLite connection with its prepared statements; the only file pair that knows SQLite. Inside rules/store only.
 *
 * The text of every error names the file and says what to do. Main thread only.
 */
#ifndef ER_RULES_STORE_SQL_H
#define ER_RULES_STORE_SQL_H

#include <stdint.h>
#include "rules/base/err.h"
#include "rules/base/str.h"

struct er_sql;
struct er_sql_stmt; /* one prepared statement, borrowed from the connection */

/* Every statement of the store: ER_SQL(symbol, text). */
enum er_sql_id {
#define ER_SQL(symbol, text) symbol,
#include "rules/store/statements.def"
#undef ER_SQL
    ER_SQL_COUNT
};

/* Opens path (the file may be empty or missing) with the options that protect it: defensive, no trusted schema, cell size check,
 * synchronous FULL, foreign keys. Changes nothing in the file. Errors: ER_E_STORE_CORRUPT, ER_E_STORE_FULL, ER_E_STORE, ER_E_NOMEM. */
enum er_code er_sql_open(const char *path, struct er_sql **out, struct er_err *err) ER_MUST_CHECK;
void er_sql_close(struct er_sql *sql);

/* Turns on the write-ahead log; before the first change. */
enum er_code er_sql_use_wal(struct er_sql *sql, struct er_err *err) ER_MUST_CHECK;

/* Reads every page; ER_E_STORE_CORRUPT with the first finding. */
enum er_code er_sql_quick_check(struct er_sql *sql, struct er_err *err) ER_MUST_CHECK;

/* Runs one or more statements without results (migrations). */
enum er_code er_sql_exec(struct er_sql *sql, const char *text, struct er_err *err) ER_MUST_CHECK;

/* Value of a statement with one integer, such as a pragma. */
enum er_code er_sql_number(struct er_sql *sql, const char *text, int64_t *out, struct er_err *err) ER_MUST_CHECK;

/* The statement, without bindings, ready to run. Not while a run of the same one is open (ER_E_INTERNAL). */
enum er_code er_sql_use(struct er_sql *sql, enum er_sql_id id, struct er_sql_stmt **out, struct er_err *err) ER_MUST_CHECK;

/* Parameters count from 1. Text is borrowed until er_sql_end; p = NULL binds NULL. A failure shows in the next step. */
void er_sql_bind_text(struct er_sql_stmt *stmt, int at, struct er_str text);
void er_sql_bind_int(struct er_sql_stmt *stmt, int at, int64_t number);

/* Next row: *row tells whether there is one. After an error or the last row the run is over. */
enum er_code er_sql_step(struct er_sql_stmt *stmt, bool *row, struct er_err *err) ER_MUST_CHECK;
void er_sql_end(struct er_sql_stmt *stmt); /* ends a run early or after the last row */

/* For statements without rows: all steps and the end; *changed (may be NULL) is the number of rows changed. */
enum er_code er_sql_run(struct er_sql_stmt *stmt, int *changed, struct er_err *err) ER_MUST_CHECK;

/* Columns of the current row, from 0; text is valid until the next step or end; NULL gives p = NULL. */
struct er_str er_sql_text(const struct er_sql_stmt *stmt, int column);
int64_t er_sql_int(const struct er_sql_stmt *stmt, int column);

/* One write transaction. Commit is durable when it returns ER_OK; after a failed commit nothing is left open. Rollback is harmless when
 * none is open. */
enum er_code er_sql_begin(struct er_sql *sql, struct er_err *err) ER_MUST_CHECK;
enum er_code er_sql_commit(struct er_sql *sql, struct er_err *err) ER_MUST_CHECK;
void er_sql_rollback(struct er_sql *sql);

#endif
