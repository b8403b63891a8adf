/* cmd_queue_top.c - queue top: what waits and goes, by site and source; on a terminal again and again. */
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "queue/queue.h"

static json_t *source_json(const struct queue_top_source *s)
{
    json_t *o = json_object();
    reply_text(o, "source", s->name);
    reply_int(o, "under_way", s->under_way);
    reply_int(o, "places", s->places);
    reply_int(o, "rate", s->rate);
    if (s->heard) reply_int(o, "heard", s->heard);
    if (s->said.n) reply_text(o, "said", s->said);
    return o;
}

static json_t *site_json(const struct queue_top_row *t)
{
    json_t *o = json_object(), *sources = json_array();
    reply_text(o, "site", t->site);
    if (t->way.n) reply_text(o, "leaves_by", t->way);
    reply_int(o, "domains", (int64_t)t->domains);
    reply_int(o, "waiting", (int64_t)t->waiting);
    reply_int(o, "later", (int64_t)t->later);
    reply_int(o, "under_way", (int64_t)t->under_way);
    reply_int(o, "rate", t->rate);
    if (t->heard) reply_int(o, "heard", t->heard);
    if (t->said.n) reply_text(o, "said", t->said);
    if (t->why.n) reply_text(o, "why", t->why);
    for (size_t i = 0; i < t->nsource; i++) json_array_append_new(sources, source_json(&t->source[i]));
    json_object_set_new(o, "sources", sources);
    return o;
}

static void tell_totals(json_t *o, const struct queue_top *t)
{
    reply_int(o, "now", t->now);
    reply_int(o, "letters", (int64_t)t->letters);
    reply_int(o, "recipients", (int64_t)t->recipients);
    reply_int(o, "waiting", (int64_t)t->waiting);
    reply_int(o, "later", (int64_t)t->later);
    reply_int(o, "under_way", (int64_t)t->under_way);
    reply_int(o, "other_rows", (int64_t)t->others);
    json_object_set_new(o, "estimated", json_boolean(t->estimated));
    json_object_set_new(o, "running", json_boolean(t->running));
}

static int tell_once(struct request *r, const struct queue_top *t)
{
    int e = 0;
    for (size_t i = 0; !e && i < t->n; i++) e = reply_row(r, site_json(&t->row[i]));
    tell_totals(r->reply, t);
    return e;
}

/* A whole screen is one row, so that none is shown in part. */
static int tell_screen(struct request *r, const struct queue_top *t)
{
    json_t *o = json_object(), *sites = json_array();
    for (size_t i = 0; i < t->n; i++) json_array_append_new(sites, site_json(&t->row[i]));
    tell_totals(o, t);
    json_object_set_new(o, "screen", sites);
    return reply_row(r, o);
}

/* On a terminal until nobody reads it any more. */
int run_queue_top(struct request *r)
{
    bool live = arg_flag(r->args, "live") && !arg_flag(r->args, "once");
    int e = 0;
    do {
        struct arena a;
        struct queue_top t;
        ar_init(&a, 0);
        e = queue_top(r->core->queue, (size_t)arg_number(r->args, "limit"), &a, &t);
        live &= !e && t.running;
        if (!e) e = live ? tell_screen(r, &t) : tell_once(r, &t);
        ar_free(&a);
        if (!e && live) e = fiber_sleep(arg_number(r->args, "every") * RT_S);
    } while (!e && live);
    return e;
}

/* ---- in words ---- */

static void print_source(struct arena *a, json_t *o, int64_t now, struct buf *out)
{
    const char *name = arg_text(o, "source"), *said = arg_text(o, "said");
    buf_printf(out, "%10s  from %s: %lld of %lld under way, %lld a minute", "",
               *name ? name : "the node's own address", (long long)arg_number(o, "under_way"),
               (long long)arg_number(o, "places"), (long long)arg_number(o, "rate"));
    if (arg_number(o, "heard"))
        buf_printf(out, "; %.*s: %s", SLF(say_past(a, arg_number(o, "heard"), now)),
                   *said ? said : "took a letter");
    buf_char(out, '\n');
}

static void print_site(json_t *o, int64_t now, struct buf *out)
{
    struct arena a;
    size_t i;
    json_t *source;
    ar_init(&a, 0);
    buf_printf(out, "%8lld %8lld %8lld %8lld  %s", (long long)arg_number(o, "waiting"),
               (long long)arg_number(o, "under_way"), (long long)arg_number(o, "rate"),
               (long long)arg_number(o, "later"), arg_text(o, "site"));
    if (*arg_text(o, "leaves_by")) buf_printf(out, " by %s", arg_text(o, "leaves_by"));
    if (arg_number(o, "domains") > 1) buf_printf(out, ", %lld domains", (long long)arg_number(o, "domains"));
    buf_char(out, '\n');
    if (*arg_text(o, "why")) buf_printf(out, "%10s  %s\n", "", arg_text(o, "why"));
    json_array_foreach(json_object_get(o, "sources"), i, source) print_source(&a, source, now, out);
    ar_free(&a);
}

static void print_head(struct buf *out)
{
    buf_printf(out, "%8s %8s %8s %8s  %s\n", "waiting", "going", "a minute", "later", "site");
}

static void print_totals(json_t *o, struct buf *out)
{
    const char *about = json_is_true(json_object_get(o, "estimated")) ? "about " : "";
    buf_printf(out, "%lld letters to %lld recipients; deliveries: %s%lld due, %lld under way, %s%lld later",
               (long long)arg_number(o, "letters"), (long long)arg_number(o, "recipients"), about,
               (long long)arg_number(o, "waiting"), (long long)arg_number(o, "under_way"), about,
               (long long)arg_number(o, "later"));
    if (arg_number(o, "other_rows"))
        buf_printf(out, "; %lld sites more", (long long)arg_number(o, "other_rows"));
    buf_char(out, '\n');
}

/* From the upper left corner, lines cut at the edge; what is below goes. */
static void print_screen(json_t *o, struct buf *out)
{
    size_t i;
    json_t *site;
    buf_str(out, "\x1b[H\x1b[2J\x1b[?7l");
    print_totals(o, out);
    print_head(out);
    json_array_foreach(json_object_get(o, "screen"), i, site) print_site(site, arg_number(o, "now"), out);
    buf_str(out, "\x1b[?7h"); /* the line does not end, so it is shown at once */
}

void print_row_queue_top(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args;
    if (json_object_get(o, "screen")) {
        print_screen(o, out);
        return;
    }
    if (!i) print_head(out);
    print_site(o, rt_wall_seconds(), out);
}

void print_queue_top(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    print_totals(reply, out);
}
