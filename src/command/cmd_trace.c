/* cmd_trace.c - trace: the road of a letter, and on as it happens; watch: the log as it is told; debug: what
 * is said in one session. */
#include "base/civil.h"
#include "base/map.h"
#include "base/text.h"
#include "cmd.h"
#include "core/config.h"
#include "core/core.h"
#include "dns/dns.h"
#include "store/store.h"
#include "trace/watch.h"

/* ---- the road of a letter ---- */

static json_t *event_json(const struct trace_event *ev)
{
    json_t *o = json_object();
    reply_int(o, "time_us", ev->time);
    reply_text(o, "event", sl_cstr(trace_word(ev->kind)));
    if (ev->who.n) reply_text(o, "recipient", ev->who);
    if (ev->session_id.n) reply_text(o, "session", ev->session_id);
    reply_text(o, "sentence", ev->sentence);
    json_t *data = ev->data.n ? json_loadb(ev->data.p, ev->data.n, 0, NULL) : NULL;
    if (data) json_object_set_new(o, "data", data);
    return o;
}

static int find_letters(struct request *r, struct letter_id **id, size_t *n, size_t *damaged)
{
    struct slice what = arg_slice(r->args, "what"), since = arg_slice(r->args, "since"),
                 session = arg_slice(r->args, "session");
    struct trace *t = r->core->store->trace;
    struct trace_filter f = {.domain = arg_slice(r->args, "domain"), .host = arg_slice(r->args, "host")};
    int64_t span, last = arg_number(r->args, "last");
    size_t limit = (size_t)(last ? last : arg_number(r->args, "limit"));
    bool choosing = f.domain.n || f.host.n || since.n || last;
    if ((what.n || session.n) && (choosing || (what.n && session.n)))
        return err_set(ERR_USAGE, "which letter is said already: leave the others of --last, --domain, "
                                  "--host, --since and --session out");
    if (what.n) return trace_find(t, what, limit, r->a, id, n, damaged);
    if (session.n) return trace_find_session(t, session, limit, r->a, id, n, damaged);
    *n = 0;
    if (!choosing) return 0; /* only what comes */
    if (since.n && !num_duration(since, &span))
        return err_set(ERR_USAGE, "--since %.*s must be a time such as 30m, 2h or 5d", SLF(since));
    if (since.n) f.since = rt_wall_seconds() - span;
    return trace_last(t, &f, limit, r->a, id, n, damaged);
}

/* What cannot be read is said: the letter that is missed may be behind it. */
static int no_letter(struct request *r, struct slice what, size_t damaged)
{
    int days = (int)(r->core->conf->trace_keep_s / 86400);
    struct slice also = damaged ? ar_printf(r->a,
                                            "; %zu rows by which letters are found cannot be read, see `tram "
                                            "verify`",
                                            damaged)
                                : SL("");
    if (!what.n)
        return err_set(ERR_NOT_FOUND, "there is no such letter (events are kept %d days)%.*s", days,
                       SLF(also));
    return err_set(
        ERR_NOT_FOUND,
        "nothing is known of %.*s: give a letter's id, a Message-ID or an address (events are kept %d "
        "days)%.*s",
        SLF(what), days, SLF(also));
}

/* What was told already, so that what happens meanwhile is not told twice. */
struct seam {
    struct watch *w; /* or NULL */
    struct map told;
};

static struct slice telling(struct arena *a, struct slice id, struct slice event, struct slice who,
                            struct slice sentence)
{
    return ar_printf(a, "%.*s %.*s %.*s %.*s", SLF(id), SLF(event), SLF(who), SLF(sl_sub(sentence, 0, 100)));
}

static void remember(struct seam *s, struct arena *a, const struct trace_event *ev)
{
    struct slice key = telling(a, sl_cstr(ev->id.s), sl_cstr(trace_word(ev->kind)), ev->who, ev->sentence);
    map_put(&s->told, key, s);
}

static int tell_road(struct request *r, struct seam *s, const struct letter_id *id)
{
    struct trace_event *ev;
    struct arena a;
    size_t n;
    ar_init(&a, 0);
    if (s->w) watch_letter(s->w, id);
    int e = trace_read(r->core->store->trace, id, &a, &ev, &n);
    if (!e) {
        json_t *o = json_object(), *events = json_array();
        reply_text(o, "id", sl_cstr(id->s));
        for (size_t k = 0; k < n; k++) {
            json_array_append_new(events, event_json(&ev[k]));
            if (s->w) remember(s, &a, &ev[k]);
        }
        json_object_set_new(o, "events", events);
        e = reply_row(r, o);
    } else if (e == ERR_NOT_FOUND) {
        e = 0; /* it is forgotten meanwhile */
    }
    ar_free(&a);
    return e;
}

/* ---- as it happens ---- */

static const int64_t watch_every = 100 * RT_MS;
enum { WATCH_TURN = 1000 }; /* lines until who looks on is asked whether he still does, and the clock */

/* Hands each line to tell() as it comes, and NULL when it has had all there were; the end is an error.
 * SUSPENDS. */
static int look_on(struct request *r, struct watch *w,
                   int (*tell)(void *arg, struct arena *a, const struct watch_line *l, json_t *o), void *arg)
{
    struct arena a = {0};
    struct watch_line l;
    int e = 0;
    while (!e) {
        for (size_t n = 0; !e && n < WATCH_TURN && watch_next(w, &a, &l); n++) {
            json_t *o = l.json.n ? json_loadb(l.json.p, l.json.n, 0, NULL) : json_object();
            if (o) e = tell(arg, &a, &l, o);
            json_decref(o);
            ar_reset(&a);
            fiber_breathe();
        }
        if (!e) e = tell(arg, &a, NULL, NULL);
        if (!e) e = reply_idle(r);
        if (!e) e = fiber_sleep(watch_every);
    }
    ar_free(&a);
    return e == ERR_CANCELED ? err_set(ERR_CANCELED, "the server stops") : e;
}

/* Only the server's own socket tells whether somebody still reads. */
static int may_look_on(const struct request *r)
{
    if (r->idle) return 0;
    return err_set(ERR_UNREACHABLE, "that is told by the running server, through its control socket");
}

struct following {
    struct request *r;
    struct seam *s;
};

/* As a road, of one event. */
static int tell_event(void *arg, struct arena *a, const struct watch_line *l, json_t *o)
{
    struct following *f = arg;
    struct slice id = o ? arg_slice(o, "id") : SL(""), event = o ? arg_slice(o, "event") : SL("");
    json_t *row = json_object(), *ev = json_object();
    int e = 0;
    if (!l) map_free(&f->s->told); /* what comes now was not there before */
    bool again = id.n && map_get(&f->s->told, telling(a, id, event, arg_slice(o, "to"), arg_slice(o, "why")));
    if (l && l->lost) {
        reply_int(row, "lost", (int64_t)l->lost);
        e = reply_row(f->r, json_incref(row));
        json_object_clear(row);
    }
    if (!e && id.n && !again) {
        reply_int(ev, "time_us", l->time);
        reply_text(ev, "event", event);
        if (*arg_text(o, "to")) reply_text(ev, "recipient", arg_slice(o, "to"));
        reply_text(ev, "sentence", arg_slice(o, "why"));
        reply_text(row, "id", id);
        json_object_set_new(row, "events", json_pack("[O]", ev));
        e = reply_row(f->r, json_incref(row));
    }
    json_decref(ev);
    json_decref(row);
    return e;
}

static int begin_following(struct request *r, struct seam *s)
{
    struct slice what = arg_slice(r->args, "what");
    struct watch_filter f = {.letters = true,
                             .domain = arg_slice(r->args, "domain"),
                             .host = arg_slice(r->args, "host"),
                             .session = arg_slice(r->args, "session")};
    if (!arg_flag(r->args, "follow")) return 0;
    f.named = what.n && sl_chr(what, '@') == SL_NONE;
    if (!f.named) f.address = what;
    int e = may_look_on(r);
    return e ? e : watch_open(&s->w, &f);
}

static int run_trace_on(struct request *r, struct seam *s)
{
    struct letter_id *id;
    size_t n = 0, damaged = 0;
    struct slice what = arg_slice(r->args, "what");
    int e = find_letters(r, &id, &n, &damaged);
    bool none = e == ERR_NOT_FOUND || (!e && !n), waits = s->w && (!what.n || sl_chr(what, '@') != SL_NONE);
    if (none && !waits) return no_letter(r, what, damaged);
    if (e && !none) return e;
    if (none) n = 0;
    e = 0;
    while (!e && n-- > 0) e = tell_road(r, s, &id[n]);
    if (damaged) reply_int(r->reply, "damaged_rows", (int64_t)damaged);
    return e || !s->w ? e : look_on(r, s->w, tell_event, &(struct following){r, s});
}

int run_trace(struct request *r)
{
    struct seam s = {0};
    map_init(&s.told, false);
    int e = begin_following(r, &s);
    if (!e) e = run_trace_on(r, &s);
    watch_close(&s.w);
    map_free(&s.told);
    return e;
}

static void put_time(json_t *o, struct buf *out)
{
    char when[CIVIL_TEXT_MAX];
    int64_t us = arg_number(o, "time_us");
    civil_format(us / 1000000, when);
    buf_printf(out, "%.10s %.8s.%03dZ", when, when + 11, (int)(us / 1000 % 1000));
}

static void put_lost(json_t *o, struct buf *out)
{
    buf_printf(out, "(%lld lines were lost here: they came faster than they were read)\n",
               (long long)arg_number(o, "lost"));
}

static void put_event(json_t *ev, const char *id, struct buf *out)
{
    put_time(ev, out);
    buf_printf(out, "  %s%-10s ", id, arg_text(ev, "event"));
    if (*arg_text(ev, "recipient")) buf_printf(out, "%s: ", arg_text(ev, "recipient"));
    buf_printf(out, "%s", arg_text(ev, "sentence"));
    if (*arg_text(ev, "session")) buf_printf(out, " (session %s)", arg_text(ev, "session"));
    buf_char(out, '\n');
}

/* What follows comes event by event: a line each. */
void print_row_trace(json_t *args, json_t *o, size_t i, struct buf *out)
{
    size_t k;
    json_t *ev, *events = json_object_get(o, "events");
    if (json_object_get(o, "lost")) {
        put_lost(o, out);
    } else if (arg_flag(args, "follow") && json_array_size(events) == 1) {
        char id[64];
        snprintf(id, sizeof id, "%s  ", arg_text(o, "id"));
        put_event(json_array_get(events, 0), id, out);
    } else {
        buf_printf(out, "%sletter %s\n", i ? "\n" : "", arg_text(o, "id"));
        json_array_foreach(events, k, ev) {
            buf_str(out, "  ");
            put_event(ev, "", out);
        }
    }
}

void print_trace(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (json_object_get(reply, "damaged_rows"))
        buf_printf(out,
                   "%lld rows by which letters are found cannot be read: letters may be missing, see `tram "
                   "verify`\n",
                   (long long)arg_number(reply, "damaged_rows"));
}

/* ---- watch ---- */

static int watch_filter_of(struct request *r, struct watch_filter *f)
{
    static const char *const levels[] = {
        [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warning", [LOG_ERROR] = "error"};
    const char *level = arg_text(r->args, "level");
    *f = (struct watch_filter){.least = LOG_INFO,
                               .address = arg_slice(r->args, "address"),
                               .domain = arg_slice(r->args, "domain"),
                               .host = arg_slice(r->args, "host"),
                               .session = arg_slice(r->args, "session"),
                               .events = arg_slice(r->args, "event")};
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
        if (!strcmp(level, levels[i])) f->least = (enum log_level)i;
    struct slice rest = f->events;
    for (struct slice one; rest.n && sl_next(&rest, ',', &one);)
        if (!watch_event_ok(sl_trim(one)))
            return err_set(ERR_USAGE, "nothing that happens is called %.*s", SLF(one));
    return 0;
}

/* The line as the log has it, with its moment. */
static int tell_line(void *arg, struct arena *a, const struct watch_line *l, json_t *o)
{
    (void)a;
    if (!l) return 0;
    if (l->lost) reply_int(o, "lost", (int64_t)l->lost);
    reply_int(o, "time_us", l->time);
    return reply_row(arg, json_incref(o));
}

int run_watch(struct request *r)
{
    struct watch_filter f;
    struct watch *w = NULL;
    int e = may_look_on(r);
    if (!e) e = watch_filter_of(r, &f);
    if (!e) e = watch_open(&w, &f);
    if (!e) e = look_on(r, w, tell_line, r);
    watch_close(&w);
    return e;
}

static void put_fields(json_t *o, struct buf *out)
{
    static const char *const said[] = {"time", "time_us", "level", "who", "lost"};
    const char *name;
    json_t *v;
    json_object_foreach(o, name, v) {
        bool shown = false;
        for (size_t i = 0; i < COUNT_OF(said); i++) shown |= !strcmp(name, said[i]);
        if (!shown) buf_printf(out, " %s=%s", name, json_string_value(v));
    }
}

void print_row_watch(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args, (void)i;
    if (json_object_get(o, "lost")) put_lost(o, out);
    if (!json_object_get(o, "who")) return;
    put_time(o, out);
    if (strcmp(arg_text(o, "level"), "info") != 0) buf_printf(out, " %s", arg_text(o, "level"));
    if (json_object_get(o, "text")) {
        buf_printf(out, "  %s: %s\n", arg_text(o, "who"), arg_text(o, "text"));
    } else if (!strcmp(arg_text(o, "who"), "letter")) {
        bool to = *arg_text(o, "to");
        buf_printf(out, "  %s  %-10s %s%s%s\n", arg_text(o, "id"), arg_text(o, "event"), arg_text(o, "to"),
                   to ? ": " : "", arg_text(o, "why"));
    } else {
        buf_printf(out, "  %s:", arg_text(o, "who"));
        put_fields(o, out);
        buf_char(out, '\n');
    }
}

void print_watch(json_t *args, json_t *reply, struct buf *out) { (void)args, (void)reply, (void)out; }

/* ---- debug ---- */

enum { DEBUG_BYTES_MAX = 1 << 20 }; /* of lines, of one session */

struct debugging {
    struct request *r;
    bool began;
    size_t bytes;
    int64_t until;
};

/* The end of it is told as an error, ERR_EOF. */
static int tell_talk(void *arg, struct arena *a, const struct watch_line *l, json_t *o)
{
    struct debugging *d = arg;
    if (!l) return rt_now() < d->until ? 0 : err_set(ERR_EOF, "the time is over");
    const char *event = arg_text(o, "event");
    bool ends = !strcmp(event, "session") || !strcmp(event, "ends");
    d->began = true;
    int e = tell_line(d->r, a, l, o);
    d->bytes += l->json.n;
    if (!e && ends) e = err_set(ERR_EOF, "the session is over");
    if (!e && d->bytes > DEBUG_BYTES_MAX) e = err_set(ERR_EOF, "that is all that is recorded of a session");
    return e;
}

/* As sessions name it: an address as it is printed, a domain in A-labels. */
static int name_peer(struct request *r, struct slice *out)
{
    struct ip ip;
    char text[IP_TEXT_MAX];
    struct slice given = arg_slice(r->args, "peer");
    if (ip_parse(given, &ip) || ip_parse_literal(given, &ip)) {
        *out = ar_dup(r->a, sl_cstr(ip_format(&ip, text)));
        return 0;
    }
    if (sl_chr(given, '.') != SL_NONE && dns_to_ascii(r->a, given, out) == 0) return 0;
    return err_set(ERR_USAGE, "%.*s is no address and no domain", SLF(given));
}

int run_debug(struct request *r)
{
    struct debugging d = {.r = r, .until = DEADLINE_IN(arg_number(r->args, "minutes") * 60 * RT_S)};
    struct watch_filter f = {.least = arg_flag(r->args, "content") ? LOG_CONTENT : LOG_TALK};
    struct watch *w = NULL;
    int e = may_look_on(r);
    if (!e) e = name_peer(r, &f.begins);
    if (!e) e = watch_open(&w, &f);
    if (!e) e = reply_row(r, json_pack("{s:s%}", "waiting", f.begins.p, (int)f.begins.n));
    if (!e) e = look_on(r, w, tell_talk, &d);
    watch_close(&w);
    if (e != ERR_EOF) return e;
    reply_text(r->reply, "ended", sl_cstr(err_text(e)));
    return d.began ? 0 : NO;
}

void print_row_debug(json_t *args, json_t *o, size_t i, struct buf *out)
{
    const char *event = arg_text(o, "event");
    bool client = !strcmp(event, "client") || !strcmp(event, "letter");
    if (json_object_get(o, "waiting")) {
        buf_printf(out, "(waiting for a session of %s)\n", arg_text(o, "waiting"));
        return;
    }
    if (!client && strcmp(event, "server") != 0) {
        print_row_watch(args, o, i, out);
        return;
    }
    put_time(o, out);
    buf_printf(out, "  %s %s\n", client ? "C:" : "S:", arg_text(o, "line"));
}

void print_debug(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (*arg_text(reply, "ended")) buf_printf(out, "(%s)\n", arg_text(reply, "ended"));
}
