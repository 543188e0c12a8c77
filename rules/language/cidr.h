/* Blocks of IPv4 and IPv6 addresses (RFC 4632, RFC 4291). An address is what inet_pton reads; the families never match each other. */
#ifndef ER_RULES_LANGUAGE_CIDR_H
#define ER_RULES_LANGUAGE_CIDR_H

#include <stdbool.h>
#include <stdint.h>
#include "rules/base/str.h"

struct er_address {
    uint8_t bytes[16]; /* network order; IPv4 uses the first 4 */
    bool v6;
};

struct er_cidr {
    struct er_address network; /* host bits are zero */
    uint8_t length;            /* 0..32, 0..128 */
};

/* false when text is no address. */
bool er_address_parse(struct er_str text, struct er_address *out);

/* "10.0.0.0/8": the length is required, without leading zeros. *host_bits: the text had host bits, which are ignored. */
bool er_cidr_parse(struct er_str text, struct er_cidr *out, bool *host_bits);

bool er_cidr_contains(const struct er_cidr *cidr, const struct er_address *address);

#endif
