/* track.c - opens and clicks (track.h). */
#include "track.h"

#include "base/text.h"
#include "event.h"
#include "html_text.h"
#include "send_i.h"
#include "track_html.h"
#include "unsubscribe.h"

enum { TOKEN_MAX = 4000 };

/* ---- tokens ---- */

static struct slice token_of(struct sends *s, struct arena *a, const struct track *t)
{
    return text_seal(s, a, "track",
                     ar_printf(a, "%s %llu %llu %.*s", t->send.s, (unsigned long long)t->page,
                               (unsigned long long)t->number, SLF(t->url)));
}

bool track_parse(struct sends *s, struct arena *a, struct slice token, struct track *out)
{
    struct slice text, send, page, number;
    *out = (struct track){0};
    if (token.n > TOKEN_MAX || !text_unseal(s, a, "track", token, &text) || !sl_next(&text, ' ', &send) ||
        !letter_id_ok(send) || !sl_next(&text, ' ', &page) || !sl_next(&text, ' ', &number) ||
        !num_u64(page, UINT64_MAX, &out->page) || !num_u64(number, UINT64_MAX, &out->number))
        return false;
    memcpy(out->send.s, send.p, LETTER_ID_LEN);
    out->url = text;
    return true;
}

/* ---- what came ---- */

/* Those who fetch for somebody: image proxies of mail services, which tell nothing of the person, and
 * scanners that follow links before anybody reads. */
static bool is_machine(struct slice agent)
{
    static const struct slice words[] = {SL_INIT("GoogleImageProxy"),
                                         SL_INIT("YahooMailProxy"),
                                         SL_INIT("ggpht.com"),
                                         SL_INIT("BingPreview"),
                                         SL_INIT("SafeLinks"),
                                         SL_INIT("Barracuda"),
                                         SL_INIT("Proofpoint"),
                                         SL_INIT("Mimecast"),
                                         SL_INIT("bot"),
                                         SL_INIT("crawler"),
                                         SL_INIT("spider"),
                                         SL_INIT("curl/"),
                                         SL_INIT("Wget"),
                                         SL_INIT("python"),
                                         SL_INIT("Go-http-client"),
                                         SL_INIT("HeadlessChrome")};
    if (!agent.n || sl_eq(agent, SL("Mozilla/5.0"))) return true; /* Apple's Mail Privacy Protection */
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (sl_findi(agent, words[i]) != SL_NONE) return true;
    return false;
}

int track_add(struct sends *s, const struct track *t, const struct track_visit *v)
{
    struct arena a = {0};
    struct send_head h;
    struct send_letter l;
    struct event ev = {.kind = t->url.n ? EVENT_CLICKED : EVENT_OPENED,
                       .send = t->send,
                       .page = t->page,
                       .number = t->number,
                       .url = t->url,
                       .agent = v->agent,
                       .ip = v->ip,
                       .machine = v->machine || is_machine(v->agent)};
    int e = send_head_read(s, &t->send, &a, &h);
    if (!e) e = send_letter_read(s, &t->send, t->page, t->number, &a, &l);
    const struct send_addr *reader = e ? NULL : send_reader(&l);
    if (reader) {
        ev.address = reader->address;
        e = event_add_late(s, h.account, &ev,
                           ar_printf(&a, "t/%c/%llu", t->url.n ? 'c' : 'o', (unsigned long long)t->number),
                           TRACK_EVENTS_MAX);
    }
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* ---- into a letter ---- */

struct putting {
    struct sends *s;
    struct track t;
    struct slice site;
    struct slice own, node; /* links that begin so are ours */
};

static struct slice link_to(void *arg, struct arena *a, struct slice url)
{
    struct putting *p = arg;
    if (sl_startsi(url, p->own) || sl_startsi(url, p->node)) return SL("");
    p->t.url = url;
    return ar_printf(a, "https://%.*s/e/c/%.*s", SLF(p->site), SLF(token_of(p->s, a, &p->t)));
}

static struct slice no_link(void *arg, struct arena *a, struct slice url)
{
    (void)arg, (void)a, (void)url;
    return SL("");
}

void track_put(struct sends *s, struct arena *a, const struct send_head *h, const struct track *letter,
               struct slice site, struct compose *c)
{
    struct putting p = {s, *letter, site, ar_printf(a, "https://%.*s/", SLF(site)),
                        ar_printf(a, "https://%.*s/", SLF(s->site))};
    struct slice image = SL("");
    if (!c->html.n || !(h->options & (SEND_TRACK_OPENS | SEND_TRACK_CLICKS))) return;
    if (!c->text.p) {
        struct buf b = BUF_INIT;
        html_text(&b, c->html);
        c->text = ar_dup(a, buf_slice(&b));
        buf_free(&b);
    }
    if (h->options & SEND_TRACK_OPENS)
        image = ar_printf(a, "<img src=\"https://%.*s/e/o/%.*s\" width=\"1\" height=\"1\" alt=\"\">",
                          SLF(site), SLF(token_of(s, a, &p.t)));
    c->html = track_html(a, c->html, image, h->options & SEND_TRACK_CLICKS ? link_to : no_link, &p);
}
