/* Failpoints and planted bugs: only in test builds (make FAULTS=1), nothing at all in every other build.
 *
 * ER_FAILPOINT("name") marks a step after or before which a process may die. EVENTROUTER_FAILPOINT=NAME:N:ACTION[,...] arms it for the N-th
 * passing (from 1, all threads together): kill (SIGKILL to itself), stop (SIGSTOP to itself), delay=MS (this thread sleeps).
 *
 * ER_PLANTED("name") is true when EVENTROUTER_PLANTED=NAME[,...] names it. What it guards is wrong on purpose: the fault rig (tests/faults)
 * must find each of them. Both variables are taken out of the environment at start. Any thread.
 */
#ifndef ER_RULES_BASE_FAULTS_H
#define ER_RULES_BASE_FAULTS_H

#include <stdbool.h>

#ifdef ER_FAULTS
void er_failpoint(const char *name);
bool er_planted(const char *name);
#define ER_FAILPOINT(name) er_failpoint(name)
#define ER_PLANTED(name) er_planted(name)
#else
#define ER_FAILPOINT(name) ((void)0)
#define ER_PLANTED(name) false
#endif

#endif
