/* send_content.h - heads and contents of sends in memory, shared. For src/send only. */
#pragma once
#include "base/list.h"
#include "send_i.h"
#include "texts.h"

struct content {
    struct letter_id id;
    struct send_head head;
    struct send send;    /* the common part; account is NULL */
    struct texts *texts; /* of it */
    /* contents' own: */
    struct arena a;
    size_t users;
    struct link link;
};
struct contents *contents_new(void);
void contents_free(struct contents **x);
/* Valid until content_put(), from any loop. SUSPENDS. ERR_NOT_FOUND, ERR_CORRUPT. */
MUST_CHECK int content_get(struct sends *s, const struct letter_id *id, struct content **out);
void content_put(struct sends *s, struct content *c);
