/* rescue_known.c - what a rescue knows while it goes on: images, and messages that an image gave. */
#include "base/log.h"
#include "rescue_i.h"

int rescue_image(struct rescue *r, struct slice object, struct head_seen **out)
{
    int e = ERR_NOT_FOUND;
    for (struct head_seen *h = map_get(&r->heads, object); h; h = h->next) {
        e = image_rows(r->s, &h->head, NULL, NULL);
        *out = h;
        if (!(err_is_damage(e) || e == ERR_NOT_FOUND)) return e;
        log_error("care", "an image of %.*s cannot be read: %s; an older one is taken", SLF(object),
                  err_text(e));
    }
    return ERR_NOT_FOUND;
}

static struct slice recent_key(struct arena *a, const char *acc, const struct body_ref *ref)
{
    return ar_printf(a, "%s %s", acc, ref->s);
}

void rescue_remember(struct rescue *r, const char *acc, const struct body_ref *ref)
{
    struct arena a;
    ar_init(&a, 0);
    map_put(&r->recent, recent_key(&a, acc, ref), r);
    ar_free(&a);
}

bool rescue_remembers(struct rescue *r, const char *acc, const struct body_ref *ref)
{
    struct arena a;
    ar_init(&a, 0);
    bool yes = map_get(&r->recent, recent_key(&a, acc, ref));
    ar_free(&a);
    return yes;
}
