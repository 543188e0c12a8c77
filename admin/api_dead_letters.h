/* Calls about dead letters that ask the router: for api_dead_letters.c and api_retry.c. */
#ifndef ER_ADMIN_API_DEAD_LETTERS_H
#define ER_ADMIN_API_DEAD_LETTERS_H

#include "admin/call.h"

typedef void er_letters_done(void *arg, struct er_letters_request *request);

/* A request of the call, in its arena; done gets the call. NULL: the call has ended. */
struct er_letters_request *er_letters_request_new(struct er_call *call, enum er_letters_op op, er_letters_done *done);
/* The letter of the path as its only item. False: the call has ended. */
bool er_letters_read_one(struct er_call *call, struct er_letters_request *request) ER_MUST_CHECK;
void er_letters_submit(struct er_call *call, struct er_letters_request *request);
/* For done. False: there is no answer, and the call has ended. */
bool er_letters_answered(struct er_call *call, const struct er_letters_request *request) ER_MUST_CHECK;

#endif
