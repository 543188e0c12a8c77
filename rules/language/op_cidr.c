/* cidr: a block of addresses. */
#include "rules/language/pattern_impl.h"

#include "rules/base/utf8.h"

bool er_read_cidr(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                  struct er_entry *entry, struct er_operand *out)
{
    struct er_problems *problems = reader->source->problems, *warnings = reader->source->warnings;
    bool host_bits;

    (void)entry;
    if (!er_pattern_expect(reader, value, ER_JSON_STRING, place, "an address block in a string", NULL)) {
        return false;
    }
    if (!er_cidr_parse(value->text, &out->cidr, &host_bits)) {
        er_problems_add(
            problems, ER_E_PATTERN_CIDR, er_place_pointer(problems, place), ER_NO_OFFSET,
            "write an IPv4 or IPv6 address, a slash and the length: 10.0.0.0/8, 2001:db8::/32, 192.0.2.7/32 for one address",
            "\"%.*s\" is no address block", ER_STR_ARG(er_utf8_cut(value->text, 120)));
        return false;
    }
    if (host_bits && warnings != NULL) {
        er_problems_add(warnings, ER_E_LINT_HOST_BITS, er_place_pointer(warnings, place), ER_NO_OFFSET,
                        "clear the bits after the length, or use the full length for one address",
                        "the address \"%.*s\" has bits after its length, which are ignored",
                        ER_STR_ARG(er_utf8_cut(value->text, 120)));
    }
    out->type = ER_JSON_STRING;
    out->text = er_pattern_keep(reader, value->text);
    return true;
}
