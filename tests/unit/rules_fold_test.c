#include "rules/base/fold.h"

#include "rules/base/utf8.h"
#include "tests/unit/test.h"

#define SOURCE "/usr/share/unicode/CaseFolding.txt" /* Debian package unicode-data */
enum { CHARACTERS = 0x110000 };

static void characters(void **state)
{
    static const struct {
        uint32_t from, to;
    } rows[] = {
        { 'A', 'a' },           { 'Z', 'z' },         { '@', '@' },       { '[', '[' },       { 'a', 'a' },
        { 0x0130, 0x0130 },     { 0x0131, 0x0131 },   { 0x212A, 'k' },    { 0x212B, 0xE5 },   { 0x017F, 's' },
        { 0x03A3, 0x03C3 },     { 0x03C2, 0x03C3 },   { 0x03C3, 0x03C3 }, { 0x00DF, 0x00DF }, { 0x1E9E, 0x00DF },
        { 0x0410, 0x0430 },     { 0x04C0, 0x04CF },   { 0x13F8, 0x13F0 }, { 0xAB70, 0x13A0 }, { 0x1E921, 0x1E943 },
        { 0x10FFFF, 0x10FFFF }, { 0x00D7, 0x00D7 },   { 0x0100, 0x0101 }, { 0x0101, 0x0101 }, { 0x0178, 0x00FF },
        { 0x1E900, 0x1E922 },   { 0x1E922, 0x1E922 }, { 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (er_fold_char(rows[i].from) != rows[i].to) {
            fail_msg("U+%04X folds to U+%04X", (unsigned)rows[i].from, (unsigned)er_fold_char(rows[i].from));
        }
    }
}

/* Folding twice is folding once, and no text grows over er_fold_max. */
static void every_character(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < CHARACTERS; c++) {
        uint32_t folded = er_fold_char(c);
        char in[4], out[8];

        assert_int_equal(er_fold_char(folded), folded);
        if (c < 0xD800 || c > 0xDFFF) {
            struct er_str text = { in, er_utf8_encode(c, in) };
            size_t n = er_fold(text, out);

            assert_in_range(n, 1, er_fold_max(text.n));
            assert_int_equal(n, er_utf8_encode(folded, in));
            assert_memory_equal(in, out, n);
        }
    }
}

/* The table against the data that it was made from. */
static void as_unicode_says(void **state)
{
    FILE *file = fopen(SOURCE, "r");
    uint32_t *expected = malloc(CHARACTERS * sizeof *expected);
    char line[256];
    size_t mappings = 0;

    (void)state;
    assert_non_null(expected);
    if (file == NULL || fgets(line, sizeof line, file) == NULL || strncmp(line, "# CaseFolding-15.0.0.txt", 24) != 0) {
        print_message("# " SOURCE " of Unicode 15.0 is not here\n");
        if (file != NULL) {
            (void)fclose(file);
        }
        free(expected);
        skip();
    }
    for (uint32_t c = 0; c < CHARACTERS; c++) {
        expected[c] = c;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned from, to;
        char status;

        if (sscanf(line, "%x; %c; %x;", &from, &status, &to) == 3 && (status == 'C' || status == 'S')) {
            expected[from] = to;
            mappings++;
        }
    }
    (void)fclose(file);
    assert_int_equal(mappings, 1454);
    for (uint32_t c = 0; c < CHARACTERS; c++) {
        if (er_fold_char(c) != expected[c]) {
            fail_msg("U+%04X folds to U+%04X, expected U+%04X", (unsigned)c, (unsigned)er_fold_char(c), (unsigned)expected[c]);
        }
    }
    free(expected);
}

static void texts(void **state)
{
    static const struct {
        const char *text, *other;
        bool equal, starts, ends;
    } rows[] = {
        { "", "", true, true, true },
        { "a", "", false, true, true },
        { "", "a", false, false, false },
        { "Hello", "hELLO", true, true, true },
        { "Hello", "HE", false, true, false },
        { "Hello", "LO", false, false, true },
        { "He", "hello", false, false, false },
        { "\xE2\x84\xAA", "k", true, true, true }, /* KELVIN SIGN */
        { "k", "\xE2\x84\xAA", true, true, true }, /* longer than the text */
        { "x\xE2\x84\xAAy", "XK", false, true, false },
        { "\xCE\xA3\xCE\xAF\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x82", "\xCF\x83\xCE\xAF\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x83",
          true, true, true },                      /* final and non-final sigma */
        { "\xC3\x9F", "ss", false, false, false }, /* sharp s */
        { "STRA\xC3\x9F"
          "E",
          "stra\xE1\xBA\x9E"
          "e",
          true, true, true },
        { "\xC3\xA4", "a\xCC\x88", false, false, false }, /* NFC, NFD */
        { "\xC3\x84", "\xA4", false, false, false },
        { "\xF0\x9F\x98\x80X", "x", false, false, true },
        { "\xC8\xBA", "\xE2\xB1\xA5", true, true, true }, /* grows when folded */
        { "I", "\xC4\xB1", false, false, false },         /* no Turkish rules */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_str text = er_str_of(rows[i].text), other = er_str_of(rows[i].other);

        if (er_fold_eq(text, other) != rows[i].equal || er_fold_eq(other, text) != rows[i].equal ||
            er_fold_starts(text, other) != rows[i].starts || er_fold_ends(text, other) != rows[i].ends) {
            fail_msg("%zu: \"%s\", \"%s\"", i, rows[i].text, rows[i].other);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters),
        cmocka_unit_test(every_character),
        cmocka_unit_test(as_unicode_says),
        cmocka_unit_test(texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
