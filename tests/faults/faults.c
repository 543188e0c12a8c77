/* What test builds link behind rules/base/faults.h. */
#include "rules/base/faults.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POINTS 8
#define PLANTED 8

/* Written before main, then constant but for the counts. */
static struct point {
    char name[48];
    long n;
    char action[16];
    atomic_long passed;
} points[POINTS];
static size_t n_points;
static char planted[PLANTED][48];
static size_t n_planted;

static void refuse(const char *what, const char *text)
{
    (void)fprintf(stderr, "faults: %s: %s\n", what, text);
    _exit(64);
}

static void read_point(const char *text)
{
    struct point *point = &points[n_points];

    if (n_points == POINTS || sscanf(text, "%47[^:]:%ld:%15s", point->name, &point->n, point->action) != 3 || point->n < 1 ||
        (strcmp(point->action, "kill") != 0 && strcmp(point->action, "stop") != 0 && strncmp(point->action, "delay=", 6) != 0)) {
        refuse("not NAME:N:kill|stop|delay=MS", text);
    }
    n_points++;
}

static void read_planted(const char *text)
{
    if (n_planted == PLANTED || strlen(text) >= sizeof planted[0]) {
        refuse("too many or too long names of planted bugs", text);
    }
    strcpy(planted[n_planted++], text);
}

static void read_list(const char *variable, void (*take)(const char *item))
{
    char *list = getenv(variable) == NULL ? NULL : strdup(getenv(variable));
    char *rest = NULL;

    for (char *item = list == NULL ? NULL : strtok_r(list, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        take(item);
    }
    free(list);
    (void)unsetenv(variable); /* the router takes every variable of its prefix for a setting */
}

__attribute__((constructor)) static void read_environment(void)
{
    read_list("EVENTROUTER_FAILPOINT", read_point);
    read_list("EVENTROUTER_PLANTED", read_planted);
}

static void delay(long ms)
{
    struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static void act(const char *action)
{
    if (strcmp(action, "kill") == 0) {
        (void)kill(getpid(), SIGKILL);
        for (;;) {
            (void)pause();
        }
    } else if (strcmp(action, "stop") == 0) {
        (void)kill(getpid(), SIGSTOP);
    } else {
        delay(strtol(action + strlen("delay="), NULL, 10));
    }
}

void er_failpoint(const char *name)
{
    for (size_t i = 0; i < n_points; i++) {
        if (strcmp(points[i].name, name) == 0 && atomic_fetch_add(&points[i].passed, 1) + 1 == points[i].n) {
            act(points[i].action);
        }
    }
}

bool er_planted(const char *name)
{
    for (size_t i = 0; i < n_planted; i++) {
        if (strcmp(planted[i], name) == 0) {
            return true;
        }
    }
    return false;
}
