/* send_person.h - letters of sends that have to do with a person: told, and erased.
 *
 * Erased is what stands in the pages: of a letter that names the person its own data, and those of its
 * addresses that are theirs; a star for each byte, so that no row changes its shape. Only sends of which all
 * has left are touched, for what waits is made from its page. What all letters share is its sender's and goes
 * with the send. All SUSPEND. */
#pragma once
#include "send.h"

struct send_person {
    bool (*names)(void *arg, struct slice text); /* does the text name the person? Does not suspend */
    void *arg;
};
struct send_about { /* a letter that names them; lasts for the call */
    struct letter_id send;
    uint64_t number; /* of the letter in its send */
    struct send_letter letter;
    bool over; /* all of the send has left */
};
/* Each letter of the send. each()'s non-zero value ends the walk and is returned. *damaged grows by the pages
 * that cannot be read to their end. */
typedef int send_about_fn(void *arg, const struct send_about *x);
MUST_CHECK int send_person_each(struct sends *s, const struct letter_id *send, const struct send_person *who,
                                send_about_fn *each, void *arg, uint64_t *damaged);
/* *erased, *left grow by the letters that were masked, and by those of a send that is not over. Page by page,
 * each in a transaction of its own: what was broken off is begun again. */
MUST_CHECK int send_person_erase(struct sends *s, const struct letter_id *send, const struct send_person *who,
                                 uint64_t *erased, uint64_t *left);
/* Who sent it, in a; and is it over? ERR_NOT_FOUND, ERR_CORRUPT. */
MUST_CHECK int send_owner(struct sends *s, const struct letter_id *send, struct arena *a,
                          struct slice *account, bool *over);
/* The whole send goes, as its age would have it: for one that is over. */
MUST_CHECK int send_forget(struct sends *s, const struct letter_id *send);
