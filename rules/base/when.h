/* Moments as text: RFC 3339, and how long ago. */
#ifndef ER_RULES_BASE_WHEN_H
#define ER_RULES_BASE_WHEN_H

#include <stdint.h>
#include "rules/base/str.h"

/* "2026-11-21T09:05:40Z", with or without a fraction (what is finer than milliseconds is cut off) and with any offset from UTC, years 1
 * to 9999; a leap second counts as the one after it. False: it is none; *unix_ms is untouched. */
bool er_when_parse(struct er_str text, int64_t *unix_ms);

/* The same, or so long before now_ms: "90s", "15m", "2h", "7d" (at most 9 digits). */
bool er_when_parse_or_ago(struct er_str text, int64_t now_ms, int64_t *unix_ms);

#endif
