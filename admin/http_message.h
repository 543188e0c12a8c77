/* HTTP/1.1 request messages (RFC 9112): the head's parser and the chunked body's decoder. Pure: no sockets, no allocation.
 *
 * Strict where leniency is how requests get smuggled: lines end with CR LF, no space before a colon, no folded lines, one
 * Content-Length of digits only, never together with Transfer-Encoding, no control characters.
 */
#ifndef ER_ADMIN_HTTP_MESSAGE_H
#define ER_ADMIN_HTTP_MESSAGE_H

#include <stdint.h>
#include "rules/base/buf.h"
#include "rules/base/err.h"
#include "rules/base/str.h"

#define ER_HTTP_MAX_FIELDS 64

struct er_http_field {
    struct er_str name;
    struct er_str value; /* without the white space around it */
};

/* A request as handlers see it; everything is borrowed. */
struct er_http_request {
    struct er_str method;
    struct er_str path;  /* as sent, still percent-encoded; starts with '/' (or is "*") */
    struct er_str query; /* as sent, after the '?'; n = 0 when there is none */
    const struct er_http_field *fields;
    size_t n_fields;
    struct er_str body;
    int64_t uid;    /* of the process at the other end of a Unix socket; -1 = unknown */
    bool read_only; /* it came over a listener that serves the read-only routes alone */
};

/* The first field with that name (case ignored) at or after index *from, which moves past it; NULL when there is none. */
const struct er_http_field *er_http_field(const struct er_http_request *request, struct er_str name, size_t *from);

/* Its value, or p = NULL. */
struct er_str er_http_field_value(const struct er_http_request *request, struct er_str name);

struct er_http_head {
    struct er_http_request request; /* method, path, query and fields are set; they point into the text and this struct */
    struct er_http_field fields[ER_HTTP_MAX_FIELDS];
    uint64_t content_length;
    bool chunked;
    bool keep_alive;
    bool expect_continue;
};

/* Why a request is refused: HTTP status, code, sentence (borrowed; static when it comes from here). */
struct er_http_fault {
    int status;
    enum er_code code;
    const char *detail;
};

enum er_http_verdict { ER_HTTP_MORE, ER_HTTP_DONE, ER_HTTP_BAD };

/* Where does the head end? DONE: *length is its size with the empty line. BAD: it can never become a request. */
enum er_http_verdict er_http_head_find(struct er_str text, size_t *length, struct er_http_fault *fault) ER_MUST_CHECK;

/* Parses a complete head (as er_http_head_find measured it). False: *fault says why. text must outlive head. */
bool er_http_head_parse(struct er_str text, struct er_http_head *head, struct er_http_fault *fault) ER_MUST_CHECK;

/* Decoder of a chunked body. Initialise with {0}. */
struct er_http_chunked {
    int state;
    uint64_t left;      /* of the chunk's size or data */
    unsigned digits;    /* of the size */
    size_t line_bytes;  /* of extensions, and of all trailer fields */
    bool trailer_empty; /* the trailer line has no byte yet */
};

/* Feeds bytes; *used of them were read, the decoded ones appended to body. BAD also when body would grow over limit (413). */
enum er_http_verdict er_http_chunked_feed(struct er_http_chunked *chunked, struct er_str bytes, struct er_buf *body, size_t limit,
                                          size_t *used, struct er_http_fault *fault) ER_MUST_CHECK;

/* ASCII case ignored. */
bool er_http_same(struct er_str a, struct er_str b);

#endif
