/* rebuild.h - a home whose index is lost gets a new one, made from what lies among the bodies. */
#pragma once
#include "store/rescue.h"

struct config;
struct send_back;

/* A letter that came back from its body: delivered here, or waiting in the queue, held. */
struct core_letter {
    struct letter_id id;
    struct slice sender, held; /* held: for whom it waits */
    uint64_t delivered, nheld;
};
struct core_rebuilt {
    bool done;          /* false: the index is there, or there is nothing to make one from */
    struct slice aside; /* where an index lies now that could not be opened, or empty */
    struct rescue_report rescue;
    struct core_letter *letter;
    size_t n;
    struct send_back *send;
    size_t nsends;
};
/* When store/index is missing, or damaged elsewhere than in its log: makes a new one from images and younger
 * bodies (store/rescue.h), and puts it into its place when it is whole. *out lies in the arena. On a fiber.
 * SUSPENDS, BLOCKS. */
MUST_CHECK int core_rebuild(const struct config *conf, struct arena *a, struct core_rebuilt *out);
