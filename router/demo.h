/* eventrouterd --demo: a mock Kafka inside the process, a temporary directory, sample rules, a steady flow of events and a live
 * table.
 *
 *   er_demo_new -> er_demo_settings (into the configuration) -> er_demo_prepare -> [router and admin start] -> er_demo_begin
 *   -> er_demo_tick ... er_demo_end ... until er_demo_tick says that all is through -> [router stops] -> er_demo_summary ->
 * er_demo_free
 *
 * A thread of its own publishes and measures. All functions: main thread. */
#ifndef ER_ROUTER_DEMO_H
#define ER_ROUTER_DEMO_H

#include "router/router.h"

struct er_demo;

/* Starts the mock Kafka and makes the directory. seconds: 0 = until er_demo_end. Errors: ER_E_KAFKA, ER_E_SYSTEM, ER_E_NOMEM. */
enum er_code er_demo_new(unsigned seconds, struct er_demo **out, struct er_err *err) ER_MUST_CHECK;

/* The user's -o settings between the demo's defaults and what the demo needs. *out is valid until er_demo_free. */
enum er_code er_demo_settings(struct er_demo *demo, const char *const *overrides, size_t n, const char *const **out,
                              size_t *n_out) ER_MUST_CHECK;

/* Makes the source topics. config is borrowed until er_demo_free. */
enum er_code er_demo_prepare(struct er_demo *demo, const struct er_config *config, struct er_err *err) ER_MUST_CHECK;

/* The mock Kafka has no CreateTopics. Valid until er_demo_free. */
struct er_topic_ops er_demo_topic_ops(struct er_demo *demo);

/* Prints where everything is, loads the sample rules and, once they are active, publishes. Borrowed until er_demo_free or until
 * er_router_free, whichever comes first. http: "HOST:PORT" or "". */
void er_demo_begin(struct er_demo *demo, struct er_router *router, struct er_store *store, const char *http);

/* Call it every 100 ms. True: the flow has ended and the router has taken every event, stop it. */
bool er_demo_tick(struct er_demo *demo);

/* Is there a flow that er_demo_end would end? */
bool er_demo_flowing(const struct er_demo *demo);

/* Ends the flow (a signal, or something failed). */
void er_demo_end(struct er_demo *demo);

/* False, with the reason, when the sample rules could not be loaded. */
bool er_demo_ok(const struct er_demo *demo, struct er_err *err);

/* The last line on standard output; balance is the router's final one. */
void er_demo_summary(struct er_demo *demo, const struct er_balance *balance);

/* After the router is freed. Removes the directory. */
void er_demo_free(struct er_demo *demo);

#endif
