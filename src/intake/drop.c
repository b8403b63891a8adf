/* drop.c - how a letter on its way in is forgotten. */
#include "intake_i.h"
#include "outgoing/signing.h"

void intake_drop(struct intake_letter *l)
{
    if (!l->in) return;
    if (l->auth) mailauth_free(&l->auth);
    if (l->signing) (void)!signing_end(l->pass, NULL);
    if (l->body) body_abandon(&l->body);
    intake_filter_end(l);
    map_free(&l->routes);
    struct arena a = l->a;
    struct buf head = l->head, edited = l->edited;
    ar_reset(&a);
    buf_clear(&head);
    buf_clear(&edited);
    if (head.size > INTAKE_BUFFER) buf_free(&head);
    if (edited.size > INTAKE_BUFFER) buf_free(&edited);
    *l = (struct intake_letter){.a = a, .head = head, .edited = edited, .unwritten = l->unwritten};
}

void intake_free(struct intake_letter *l)
{
    intake_drop(l);
    ar_free(&l->a);
    buf_free(&l->head);
    buf_free(&l->edited);
}
