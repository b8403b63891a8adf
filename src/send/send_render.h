/* send_render.h - a letter of a send as bytes. For src/send only. */
#pragma once
#include "queue/letter_source.h"
#include "send_content.h"

struct render {
    const struct send_head *head;
    const struct send *send;
    const struct texts *texts; /* of the send */
    const struct send_letter *letter;
    struct letter_id id;
    /* where it stands, for links; s NULL: it is only looked at */
    struct sends *s;
    struct send_letter_name name;
};
/* A queue_maker's source. SUSPENDS. */
MUST_CHECK int send_source(void *sends, const struct letter *l, struct arena *a, struct letter_source *out);
