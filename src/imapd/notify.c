/* notify.c - NOTIFY: news about any mailbox at any time (RFC 5465). What the client knows of the mailboxes is
 * kept beside the session; when the account changes it is compared with what is so now. */
#include <stdio.h>
#include <stdlib.h>

#include "imapd_i.h"
#include "store/annotation.h"

enum {
    NOTIFY_BOXES_MAX = 2000, /* mailboxes that are watched: of one's own, and of others */
    NOTIFY_NAMES_MAX = 200   /* entries of METADATA that are told at once */
};
enum { OF_MESSAGES = IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE | IMAP_EVENT_FLAGS | IMAP_EVENT_ANNOTATION };

struct known { /* a mailbox as it was told, or was when NOTIFY came */
    const char *account;
    uint32_t id, uidvalidity, uidnext, exists, unseen;
    uint64_t modseq;
    struct slice name; /* for the client */
    unsigned use;
    unsigned events; /* of it that are told */
    bool subscribed;
};
struct known_boxes {
    struct arena a;
    struct known *v; /* by account and id */
    size_t n;
};
struct watched { /* an account whose mailboxes are among them */
    char id[20];
    struct kv_watch *watch;
    uint64_t modseq; /* annotations were told up to this one */
};
struct imapd_notify {
    struct arena a; /* of the arguments */
    struct imap_notify args;
    const struct imap_event_group *selected; /* or NULL */
    struct known_boxes known;
    struct watched *watched; /* the client's own first */
    size_t nwatched;
    bool news;
};

/* ---- what is asked for ---- */

/* Events of a mailbox that is not selected. Who may not read it hears of its name only (section 3.1). */
static unsigned events_of(const struct imapd_session *s, const struct imapd_visible *x)
{
    const struct imap_notify *args = &s->notify->args;
    unsigned events = 0;
    for (size_t i = 0; i < args->n; i++)
        if (args->group[i].boxes.kind > IMAP_BOXES_SELECTED_DELAYED &&
            imapd_boxes_have(s, &args->group[i].boxes, x))
            events |= args->group[i].events;
    if (!(x->rights & ACL_READ)) events &= IMAP_EVENT_NAME | IMAP_EVENT_SUBSCRIPTION;
    return events;
}

static unsigned events_now(const struct imapd_session *s, const struct known *k)
{
    return imapd_is_selected(s, k->account, k->id) ? k->events & ~(unsigned)OF_MESSAGES : k->events;
}

static bool server_events(const struct imap_notify *args)
{
    for (size_t i = 0; i < args->n; i++)
        if (args->group[i].events & IMAP_EVENT_SERVER_METADATA) return true;
    return false;
}

bool imapd_notify_selected(const struct imapd_session *s, unsigned events)
{
    if (!s->notify) return true;
    return s->notify->selected && s->notify->selected->events & events;
}

/* ---- what is so now ---- */

static void on_news(void *arg)
{
    struct imapd_session *s = arg;
    s->notify->news = true;
    conn_wake(s->c);
}

/* Watched before it is looked at, so that nothing falls between. */
static int watch(struct imapd_session *s, const char *account)
{
    struct imapd_notify *n = s->notify;
    for (size_t i = 0; i < n->nwatched; i++)
        if (strcmp(n->watched[i].id, account) == 0) return 0;
    n->watched = xrealloc(n->watched, (n->nwatched + 1) * sizeof *n->watched);
    struct watched *w = &n->watched[n->nwatched++];
    *w = (struct watched){.watch = mailbox_watch(s->server->conf.store, account, on_news, s)};
    snprintf(w->id, sizeof w->id, "%s", account);
    return account_modseq(s->server->conf.store, account, &w->modseq);
}

static void unwatch(struct imapd_notify *n)
{
    while (n->nwatched) kv_unwatch(&n->watched[--n->nwatched].watch);
}

static int by_id(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    int accounts = strcmp(x->account, y->account);
    return accounts ? accounts : x->id < y->id ? -1 : x->id > y->id;
}

static const struct known *find(const struct known_boxes *boxes, const char *account, uint32_t id)
{
    struct known key = {.account = account, .id = id};
    return boxes->n ? bsearch(&key, boxes->v, boxes->n, sizeof key, by_id) : NULL;
}

/* What the client has not seen of another's mailbox is counted anew only when that changed. */
static uint32_t unseen_of(struct imapd_session *s, const struct imapd_visible *x, unsigned events)
{
    const struct known *before = find(&s->notify->known, x->account, x->m->id);
    if (strcmp(x->account, s->account) == 0) return x->m->unseen;
    if (before && before->events & OF_MESSAGES && before->modseq == x->m->modseq) return before->unseen;
    return events & OF_MESSAGES ? imapd_unseen(s, x->account, x->m) : 0;
}

static struct known know(struct imapd_session *s, struct arena *a, const struct imapd_visible *x)
{
    unsigned events = events_of(s, x);
    return (struct known){.account = ar_cstr(a, sl_cstr(x->account)),
                          .id = x->m->id,
                          .uidvalidity = x->m->uidvalidity,
                          .uidnext = x->m->uidnext,
                          .exists = x->m->exists,
                          .unseen = unseen_of(s, x, events),
                          .modseq = x->m->modseq,
                          .name = ar_dup(a, x->shown),
                          .use = strcmp(x->account, s->account) == 0 ? x->m->use : 0,
                          .events = events,
                          .subscribed = x->subscribed};
}

static bool reaches(const void *arg, struct slice root)
{
    const struct imap_notify *args = arg;
    for (size_t i = 0; i < args->n; i++)
        if (args->group[i].boxes.kind > IMAP_BOXES_SELECTED_DELAYED &&
            imapd_boxes_reach(&args->group[i].boxes, root))
            return true;
    return false;
}

/* Whose mailboxes are to be looked at besides the client's own. */
static int owners(struct imapd_session *s, struct acl_owner **out, size_t *n)
{
    const struct imap_notify *args = &s->notify->args;
    bool elsewhere = false;
    int e = 0;
    *n = 0;
    for (size_t i = 0; i < args->n && !e; i++)
        if (args->group[i].boxes.kind > IMAP_BOXES_SELECTED_DELAYED)
            e = imapd_boxes_elsewhere(s, &args->group[i].boxes, &elsewhere);
    if (!e && elsewhere) e = imapd_others(s, reaches, args, out, n);
    for (size_t i = 0; i < *n && !e; i++) {
        e = watch(s, (*out)[i].id);
        if (e == ERR_NOT_FOUND) e = 0; /* the account is gone */
    }
    return e;
}

static int look(struct imapd_session *s, struct known_boxes *out)
{
    struct acl_owner *o = NULL;
    struct imapd_visible *v;
    size_t n, of;
    *out = (struct known_boxes){0};
    ar_init(&out->a, 0);
    int e = owners(s, &o, &of);
    if (!e) e = imapd_visible(s, o, of, NOTIFY_BOXES_MAX, &v, &n);
    if (e) return e;
    out->v = ar_array(&out->a, struct known, n);
    for (; out->n < n; out->n++) {
        out->v[out->n] = know(s, &out->a, &v[out->n]);
        fiber_breathe();
    }
    qsort(out->v, n, sizeof *out->v, by_id);
    return 0;
}

static const struct known *find_name(const struct known_boxes *boxes, struct slice name)
{
    for (size_t i = 0; i < boxes->n; i++)
        if (sl_eq(boxes->v[i].name, name)) return &boxes->v[i];
    return NULL;
}

/* ---- telling ---- */

static void put_status(struct imapd_session *s, const struct known *k)
{
    buf_str(&s->out, "* STATUS ");
    imap_put_mailbox(&s->out, k->name, s->utf8);
    buf_printf(&s->out, " (MESSAGES %u UIDNEXT %u UIDVALIDITY %u UNSEEN %u", k->exists, k->uidnext,
               k->uidvalidity, k->unseen);
    if (s->condstore) buf_printf(&s->out, " HIGHESTMODSEQ %llu", (unsigned long long)k->modseq);
    buf_str(&s->out, ")\r\n");
}

static bool has_children(const struct known_boxes *boxes, struct slice name)
{
    for (size_t i = 0; i < boxes->n; i++) {
        struct slice other = boxes->v[i].name;
        if (other.n > name.n && other.p[name.n] == '/' && sl_starts(other, name)) return true;
    }
    return false;
}

/* The name as it is now; old: what it was called before, or empty. */
static void put_list(struct imapd_session *s, const struct known_boxes *now, struct slice name,
                     struct slice old)
{
    const struct known *k = find_name(now, name);
    buf_str(&s->out, "* LIST (");
    if (!k) imapd_put_attribute(s, "\\NonExistent");
    imapd_put_attribute(s, has_children(now, name) ? "\\HasChildren" : "\\HasNoChildren");
    if (k && k->subscribed) imapd_put_attribute(s, "\\Subscribed");
    if (k) imapd_put_uses(s, k->use);
    buf_str(&s->out, ") \"/\" ");
    imap_put_mailbox(&s->out, name, s->utf8);
    if (old.n) {
        buf_str(&s->out, " (\"OLDNAME\" (");
        imap_put_mailbox(&s->out, old, s->utf8);
        buf_str(&s->out, "))");
    }
    buf_str(&s->out, "\r\n");
}

/* A mailbox that came or went, and what it lies in (section 5.4). */
static void put_made(struct imapd_session *s, const struct known_boxes *now, struct slice name)
{
    size_t slash = sl_rchr(name, '/');
    put_list(s, now, name, SL(""));
    if (slash != SL_NONE) put_list(s, now, sl_sub(name, 0, slash), SL(""));
}

/* Did it only move along with what it lies in? Then that is what is told. */
static bool moved_along(const struct known_boxes *was, const struct known_boxes *now, const struct known *k,
                        struct slice old)
{
    size_t a = sl_rchr(k->name, '/'), b = sl_rchr(old, '/');
    if (a == SL_NONE || b == SL_NONE || !sl_eq(sl_from(k->name, a), sl_from(old, b))) return false;
    const struct known *parent = find_name(now, sl_sub(k->name, 0, a));
    const struct known *before = parent ? find(was, parent->account, parent->id) : NULL;
    return before && sl_eq(before->name, sl_sub(old, 0, b)) && !sl_eq(before->name, parent->name);
}

static void compare(struct imapd_session *s, const struct known_boxes *was, const struct known_boxes *now,
                    const struct known *k)
{
    unsigned events = events_now(s, k);
    const struct known *old = find(was, k->account, k->id);
    if (!old) {
        if (events & IMAP_EVENT_NAME) put_made(s, now, k->name);
        return;
    }
    if (!sl_eq(old->name, k->name)) {
        if (events & IMAP_EVENT_NAME && !moved_along(was, now, k, old->name))
            put_list(s, now, k->name, old->name);
    } else if (old->subscribed != k->subscribed && (events | events_now(s, old)) & IMAP_EVENT_SUBSCRIPTION) {
        put_list(s, now, k->name, SL(""));
    }
    bool messages = old->uidnext != k->uidnext || old->exists != k->exists;
    if ((messages && events & IMAP_EVENT_NEW) || (events & (IMAP_EVENT_FLAGS | IMAP_EVENT_ANNOTATION) &&
                                                  (old->modseq != k->modseq || old->unseen != k->unseen)))
        put_status(s, k);
}

static void tell_boxes(struct imapd_session *s, const struct known_boxes *was, const struct known_boxes *now)
{
    for (size_t i = 0; i < now->n; i++) {
        compare(s, was, now, &now->v[i]);
        fiber_breathe();
    }
    for (size_t i = 0; i < was->n; i++)
        if (!find(now, was->v[i].account, was->v[i].id) && was->v[i].events & IMAP_EVENT_NAME)
            put_made(s, now, was->v[i].name);
}

/* ---- annotations ---- */

struct noted {
    struct imapd_session *s;
    const char *account; /* the one at hand */
    size_t n;
};

static void tell_note(void *arg, uint32_t box, struct slice name)
{
    struct noted *x = arg;
    struct imapd_session *s = x->s;
    const struct known *k = box ? find(&s->notify->known, x->account, box) : NULL;
    bool server = !box && strcmp(x->account, s->account) == 0 && server_events(&s->notify->args);
    if (!server && !(k && k->events & IMAP_EVENT_METADATA)) return;
    if (x->n++ >= NOTIFY_NAMES_MAX) return;
    buf_str(&s->out, "* METADATA ");
    imap_put_mailbox(&s->out, k ? k->name : SL(""), s->utf8);
    buf_char(&s->out, ' ');
    imap_put_astring(&s->out, name, false);
    buf_str(&s->out, "\r\n");
}

/* Section 5.8: what cannot be told is not told by halves; it is as if NOTIFY NONE had come. */
static void overflow(struct imapd_session *s)
{
    struct imapd_notify *n = s->notify;
    unwatch(n);
    n->args.n = 0;
    n->selected = NULL;
    imapd_untagged(s, "OK [NOTIFICATIONOVERFLOW] there is too much to tell: nothing is told any more");
}

/* An account that is gone has none. */
static int tell_notes(struct imapd_session *s)
{
    struct noted x = {.s = s};
    int e = 0;
    for (size_t i = 0; i < s->notify->nwatched && !e; i++) {
        struct watched *w = &s->notify->watched[i];
        x.account = w->id;
        e = annotation_changes(s->server->conf.store, w->id, s->account, &w->modseq, tell_note, &x);
        if (e == ERR_NOT_FOUND && i) e = 0;
    }
    return !e && x.n > NOTIFY_NAMES_MAX ? ERR_LIMIT : e;
}

static void tell_all(struct imapd_session *s)
{
    struct known_boxes now;
    int e = look(s, &now);
    if (!e) {
        tell_boxes(s, &s->notify->known, &now);
        ar_free(&s->notify->known.a);
        s->notify->known = now;
        e = tell_notes(s);
    } else {
        ar_free(&now.a);
    }
    imapd_flush(s);
    if (e) overflow(s);
}

/* ---- the session's side ---- */

bool imapd_notify_pushes(const struct imapd_session *s, bool *expunges)
{
    const struct imap_event_group *g = s->notify ? s->notify->selected : NULL;
    *expunges = g && g->boxes.kind == IMAP_BOXES_SELECTED;
    return g && g->events;
}

bool imapd_notify_tell(struct imapd_session *s)
{
    if (!s->notify || !s->notify->news) return false;
    s->notify->news = false;
    tell_all(s);
    return true;
}

void imapd_notify_fetch(struct imapd_session *s, size_t i)
{
    const struct imap_event_group *g = s->notify->selected;
    struct imapd_fetched f;
    size_t n = s->told - i;
    if (!g || !g->items.n) return;
    struct imapd_picked p = {.at = ar_array(&s->a, size_t, n), .uid = ar_array(&s->a, uint32_t, n)};
    for (; i < s->told; i++) {
        p.at[p.n] = i;
        p.uid[p.n++] = view_at(s->view, i).uid;
    }
    struct imap_fetch args = g->items;
    args.sets_seen = false;
    imapd_fetch_picked(s, &args, args.kinds | (s->uidonly ? 0 : 1u << IMAP_UID), &p, &f);
}

void imapd_notify_end(struct imapd_session *s)
{
    struct imapd_notify *n = s->notify;
    s->notify = NULL;
    if (!n) return;
    unwatch(n);
    free(n->watched);
    ar_free(&n->known.a);
    ar_free(&n->a);
    free(n);
}

static void tell_statuses(struct imapd_session *s)
{
    const struct known_boxes *known = &s->notify->known;
    for (size_t i = 0; i < known->n && s->notify->args.status; i++)
        if (events_now(s, &known->v[i]) & OF_MESSAGES) put_status(s, &known->v[i]);
    imapd_flush(s);
}

/* Is anything asked about but the mailbox that is selected? */
static bool asks_elsewhere(const struct imap_notify *args)
{
    for (size_t i = 0; i < args->n; i++)
        if (args->group[i].boxes.kind > IMAP_BOXES_SELECTED_DELAYED) return true;
    return false;
}

int imapd_notify_set(struct imapd_session *s, struct slice text)
{
    struct imapd_notify *n = xcalloc(1, sizeof *n);
    struct imap_in in;
    ar_init(&n->a, IMAPD_MEMORY);
    in = imapd_in(s, &n->a, ar_dup(&n->a, text));
    n->args = imap_notify_args(&in);
    for (size_t i = 0; i < n->args.n; i++)
        if (n->args.group[i].boxes.kind <= IMAP_BOXES_SELECTED_DELAYED) n->selected = &n->args.group[i];
    imapd_notify_end(s);
    s->notify = n;
    s->notify_annotates = imapd_notify_selected(s, IMAP_EVENT_ANNOTATION);
    if (!asks_elsewhere(&n->args)) return 0;
    struct known_boxes known;
    int e = watch(s, s->account);
    if (!e) e = look(s, &known);
    if (!e) n->known = known;
    if (!e) tell_statuses(s);
    else imapd_notify_end(s);
    return e;
}
