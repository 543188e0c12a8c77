#include "rules/language/cidr.h"

#include <arpa/inet.h>

static bool is_in_addresses(char c)
{
    return (c >= '0' && c <= ':') || c == '.' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Says no of most texts that are none, among them those with a NUL inside, which would end the text for the library. */
static bool may_be_address(struct er_str text)
{
    bool parted = false;

    for (size_t i = 0; i < text.n && i < INET6_ADDRSTRLEN; i++) {
        if (!is_in_addresses(text.p[i])) {
            return false;
        }
        parted = parted || text.p[i] == ':' || text.p[i] == '.';
    }
    return parted && text.n < INET6_ADDRSTRLEN;
}

static bool parse_address(struct er_str text, struct er_address *out)
{
    char copy[INET6_ADDRSTRLEN];

    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    *out = (struct er_address){ .v6 = memchr(copy, ':', text.n) != NULL };
    return inet_pton(out->v6 ? AF_INET6 : AF_INET, copy, out->bytes) == 1;
}

bool er_address_parse(struct er_str text, struct er_address *out)
{
    return may_be_address(text) && parse_address(text, out);
}

/* 1 to 3 digits without a leading zero. */
static bool parse_length(struct er_str text, unsigned max, unsigned *out)
{
    unsigned length = 0;

    if (text.n == 0 || text.n > 3 || (text.n > 1 && text.p[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') {
            return false;
        }
        length = length * 10 + (unsigned)(text.p[i] - '0');
    }
    *out = length;
    return length <= max;
}

/* The bits of byte i that belong to the network. */
static uint8_t mask_at(unsigned length, size_t i)
{
    size_t bits = length > i * 8 ? length - i * 8 : 0;

    return (uint8_t)(bits >= 8 ? 0xFFu : 0xFF00u >> bits);
}

bool er_cidr_parse(struct er_str text, struct er_cidr *out, bool *host_bits)
{
    const char *slash = text.n == 0 ? NULL : memchr(text.p, '/', text.n);
    size_t address = slash == NULL ? text.n : (size_t)(slash - text.p);
    unsigned length;

    *host_bits = false;
    if (slash == NULL || !er_address_parse((struct er_str){ text.p, address }, &out->network) ||
        !parse_length((struct er_str){ slash + 1, text.n - address - 1 }, out->network.v6 ? 128 : 32, &length)) {
        return false;
    }
    out->length = (uint8_t)length;
    for (size_t i = 0; i < sizeof out->network.bytes; i++) {
        uint8_t kept = out->network.bytes[i] & mask_at(length, i);

        *host_bits = *host_bits || kept != out->network.bytes[i];
        out->network.bytes[i] = kept;
    }
    return true;
}

bool er_cidr_contains(const struct er_cidr *cidr, const struct er_address *address)
{
    size_t whole = cidr->length / 8u;

    if (cidr->network.v6 != address->v6 || memcmp(cidr->network.bytes, address->bytes, whole) != 0) {
        return false;
    }
    return cidr->length % 8 == 0 || (address->bytes[whole] & mask_at(cidr->length, whole)) == cidr->network.bytes[whole];
}
