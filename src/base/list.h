/* list.h - doubly linked ring; the link lies inside the element.
 *
 *     struct session { struct link link; ... };
 *     struct link sessions; list_init(&sessions);
 *     list_push(&sessions, &s->link);
 *     LIST_EACH(struct session, s, &sessions, link) ...     (s may be removed in the body) */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *prev, *next;
};

#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct link *l) { l->prev = l->next = l; }
static inline bool list_empty(const struct link *l) { return l->next == l; }
static inline void list_insert(struct link *after, struct link *e)
{
    e->prev = after;
    e->next = after->next;
    after->next->prev = e;
    after->next = e;
}
static inline void list_push(struct link *l, struct link *e) { list_insert(l->prev, e); } /* last */
static inline void list_unshift(struct link *l, struct link *e) { list_insert(l, e); }    /* first */
/* Safe to call again on an element that is in no list. */
static inline void list_remove(struct link *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    e->prev = e->next = e;
}
static inline struct link *list_shift(struct link *l)
{
    struct link *e = l->next;
    if (e == l) return NULL;
    list_remove(e);
    return e;
}

#define LIST_EACH(type, var, list, member)                                                                   \
    for (struct link *var##_l = (list)->next, *var##_n = var##_l->next; var##_l != (list);                   \
         var##_l = var##_n, var##_n = var##_l->next)                                                         \
        for (type *var = CONTAINER_OF(var##_l, type, member); var; var = NULL)
