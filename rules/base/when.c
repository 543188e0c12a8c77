#include "rules/base/when.h"

/* What is left of the text; bad once something did not fit. */
struct cursor {
    struct er_str rest;
    bool bad;
};

static int digits(struct cursor *c, size_t n)
{
    int value = 0;

    for (size_t i = 0; i < n && !c->bad; i++) {
        c->bad = i >= c->rest.n || c->rest.p[i] < '0' || c->rest.p[i] > '9';
        value = c->bad ? 0 : value * 10 + (c->rest.p[i] - '0');
    }
    if (!c->bad) {
        c->rest.p += n;
        c->rest.n -= n;
    }
    return value;
}

/* Takes one character if it is one of set. */
static char take(struct cursor *c, const char *set)
{
    char found = c->rest.n > 0 && c->rest.p[0] != '\0' && strchr(set, c->rest.p[0]) != NULL ? c->rest.p[0] : '\0';

    if (found != '\0') {
        c->rest.p++;
        c->rest.n--;
    }
    return found;
}

static void want(struct cursor *c, const char *set)
{
    c->bad = take(c, set) == '\0' || c->bad;
}

static int days_in(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar: years begin in March, so that the leap day is their last. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t m = month <= 2 ? month + 9 : month - 3;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int64_t read_date(struct cursor *c)
{
    int year = digits(c, 4), month, day;

    want(c, "-");
    month = digits(c, 2);
    want(c, "-");
    day = digits(c, 2);
    c->bad = c->bad || year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(year, month);
    return c->bad ? 0 : days_since_epoch(year, month, day);
}

static int64_t read_fraction(struct cursor *c)
{
    int64_t ms = 0, unit = 100;

    if (take(c, ".") == '\0') {
        return 0;
    }
    c->bad = c->bad || c->rest.n == 0 || c->rest.p[0] < '0' || c->rest.p[0] > '9';
    for (char digit; (digit = take(c, "0123456789")) != '\0'; unit /= 10) {
        ms += (digit - '0') * unit;
    }
    return ms;
}

static int64_t read_time_of_day(struct cursor *c)
{
    int hour = digits(c, 2), minute, second;

    want(c, ":");
    minute = digits(c, 2);
    want(c, ":");
    second = digits(c, 2);
    c->bad = c->bad || hour > 23 || minute > 59 || second > 60;
    return (hour * 60 + minute) * 60 + second;
}

/* Seconds east of Greenwich. */
static int64_t read_zone(struct cursor *c)
{
    char sign = take(c, "Zz+-");
    int hour, minute;

    c->bad = c->bad || sign == '\0';
    if (c->bad || sign == 'Z' || sign == 'z') {
        return 0;
    }
    hour = digits(c, 2);
    want(c, ":");
    minute = digits(c, 2);
    c->bad = c->bad || hour > 23 || minute > 59;
    return (sign == '-' ? -60 : 60) * (hour * 60 + minute);
}

bool er_when_parse(struct er_str text, int64_t *unix_ms)
{
    struct cursor c = { text, false };
    int64_t seconds = read_date(&c) * 86400, ms;

    want(&c, "Tt ");
    seconds += read_time_of_day(&c);
    ms = read_fraction(&c);
    seconds -= read_zone(&c);
    if (c.bad || c.rest.n > 0) {
        return false;
    }
    *unix_ms = seconds * 1000 + ms;
    return true;
}

bool er_when_parse_or_ago(struct er_str text, int64_t now_ms, int64_t *unix_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
    struct cursor c = { { text.p, text.n - 1 }, text.n < 2 || text.n > 10 };
    int64_t n = c.bad ? 0 : digits(&c, text.n - 1);

    for (size_t i = 0; i < sizeof units / sizeof *units && !c.bad; i++) {
        if (text.p[text.n - 1] == units[i].unit) {
            *unix_ms = now_ms - n * units[i].ms;
            return true;
        }
    }
    return er_when_parse(text, unix_ms);
}
