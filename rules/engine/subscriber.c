#include "rules/engine/ruleset.h"

#include <stdatomic.h>
#include <stdlib.h>

struct counted_subscriber {
    struct er_subscriber subscriber; /* first: users know only this part */
    atomic_uint refs;
    char text[];
};

struct er_subscriber *er_subscriber_new(struct er_str id, struct er_str topic)
{
    static atomic_uint_fast64_t last_uid;
    struct counted_subscriber *counted = malloc(sizeof *counted + id.n + topic.n);

    if (counted == NULL) {
        return NULL;
    }
    if (id.n > 0) {
        memcpy(counted->text, id.p, id.n);
    }
    if (topic.n > 0) {
        memcpy(counted->text + id.n, topic.p, topic.n);
    }
    counted->subscriber = (struct er_subscriber){ .id = { counted->text, id.n },
                                                  .topic = { counted->text + id.n, topic.n },
                                                  .uid = atomic_fetch_add(&last_uid, 1) + 1 };
    atomic_init(&counted->refs, 1);
    return &counted->subscriber;
}

struct er_subscriber *er_subscriber_ref(struct er_subscriber *subscriber)
{
    struct counted_subscriber *counted = (struct counted_subscriber *)subscriber;

    (void)atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
    return subscriber;
}

void er_subscriber_unref(struct er_subscriber *subscriber)
{
    struct counted_subscriber *counted = (struct counted_subscriber *)subscriber;

    if (counted != NULL && atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel) == 1) {
        free(counted);
    }
}
