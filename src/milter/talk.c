/* talk.c - one connection of a client, as the filters hear of it: step by step, filter by filter. */
#include <stdio.h>
#include <stdlib.h>

#include "filter_i.h"

/* ---- macros ---- */

/* What Sendmail defines and filters ask for, with the step before which each is told when a filter did not
 * choose. */
static const struct macro {
    struct slice name;
    int fact;
    enum milter_stage stage;
} macros[] = {
    {SL_INIT("j"), FACT_HOST, MILTER_AT_CONNECT},
    {SL_INIT("_"), FACT_ORIGIN, MILTER_AT_CONNECT},
    {SL_INIT("v"), FACT_PROGRAM, MILTER_AT_CONNECT},
    {SL_INIT("{daemon_name}"), FACT_DAEMON, MILTER_AT_CONNECT},
    {SL_INIT("{client_addr}"), FACT_ADDRESS, MILTER_AT_CONNECT},
    {SL_INIT("{client_name}"), FACT_NAME, MILTER_AT_CONNECT},
    {SL_INIT("{client_port}"), FACT_PORT, MILTER_AT_CONNECT},
    {SL_INIT("{tls_version}"), FACT_TLS_VERSION, MILTER_AT_HELO},
    {SL_INIT("{cipher}"), FACT_TLS_CIPHER, MILTER_AT_HELO},
    {SL_INIT("{auth_type}"), FACT_LOGIN_MECHANISM, MILTER_AT_MAIL},
    {SL_INIT("{auth_authen}"), FACT_LOGIN, MILTER_AT_MAIL},
    {SL_INIT("{mail_addr}"), FACT_SENDER, MILTER_AT_MAIL},
    {SL_INIT("i"), FACT_LETTER_ID, MILTER_AT_MAIL},
    {SL_INIT("{rcpt_addr}"), FACT_RCPT, MILTER_AT_RCPT},
    {SL_INIT("i"), FACT_LETTER_ID, MILTER_AT_DATA},
    {SL_INIT("i"), FACT_LETTER_ID, MILTER_AT_END},
};

/* Filters name a macro with its braces or without; the names stand between blanks or commas. */
static bool is_chosen(const char *names, struct slice macro)
{
    struct slice rest = sl_cstr(names), word;
    struct slice bare = macro.n > 2 ? sl_sub(macro, 1, macro.n - 1) : macro;
    while (sl_next(&rest, ' ', &word)) {
        if (word.n && word.p[word.n - 1] == ',') word.n--;
        if (sl_eq(word, macro) || sl_eq(word, bare)) return true;
    }
    return false;
}

void talk_put_macros(struct filter_talk *t, const struct filter_link *k, enum milter_stage stage,
                     enum milter_command c)
{
    struct slice pair[2 * COUNT_OF(macros)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(macros); i++) {
        const struct macro *m = &macros[i];
        bool twice = i && sl_eq(m->name, SL("i")) && m->stage != MILTER_AT_MAIL; /* the usual ones only */
        bool told = k->chosen[stage] ? !twice && is_chosen(k->macros[stage], m->name) : m->stage == stage;
        if (!told || !t->fact[m->fact].n) continue;
        pair[n++] = m->name;
        pair[n++] = t->fact[m->fact];
    }
    milter_put_macros(&t->out, c, pair, n);
}

void filter_fact(struct filter_talk *t, enum filter_fact f, struct slice value) { t->fact[f] = value; }

/* ---- a talk ---- */

static bool wants(const struct filter *f, const struct filter_client *client)
{
    return f->letters == FILTER_ALL || (f->letters == FILTER_OWN) == client->own;
}

static void introduce(struct filter_talk *t)
{
    const struct filter_client *c = &t->client;
    bool here = !c->peer.family;
    if (!here) ip_format(&c->peer, t->address);
    snprintf(t->name, sizeof t->name, here ? "localhost" : "[%s]", t->address);
    snprintf(t->port, sizeof t->port, "%u", c->port);
    snprintf(t->origin, sizeof t->origin, "%s", here ? "localhost" : t->name);
    t->fact[FACT_NAME] = sl_cstr(t->name);
    t->fact[FACT_ADDRESS] = sl_cstr(t->address);
    t->fact[FACT_PORT] = here ? SL("") : sl_cstr(t->port);
    t->fact[FACT_ORIGIN] = sl_cstr(t->origin);
    t->fact[FACT_HOST] = t->set->hostname;
    t->fact[FACT_PROGRAM] = SL("Tram");
    t->fact[FACT_DAEMON] = c->own ? SL("submission") : SL("smtpd");
}

struct filter_talk *filter_talk_new(struct filters *set, const struct filter_client *client)
{
    struct filter_talk *t = NULL;
    for (size_t i = 0; set && i < set->n; i++) {
        if (!wants(&set->v[i], client)) continue;
        if (!t) t = xcalloc(1, sizeof *t);
        t->link[t->n++].f = &set->v[i];
    }
    if (!t) return NULL;
    t->set = set;
    t->client = *client;
    introduce(t);
    return t;
}

void filter_talk_free(struct filter_talk **tp)
{
    struct filter_talk *t = *tp;
    if (!t) return;
    *tp = NULL;
    for (size_t i = 0; i < t->n; i++) link_close(&t->link[i]);
    buf_free(&t->out);
    buf_free(&t->sender);
    buf_free(&t->rcpt);
    buf_free(&t->greeted);
    free(t);
}

size_t filter_count(const struct filter_talk *t) { return t ? t->n : 0; }
const char *filter_name(const struct filter_talk *t, size_t i) { return t->link[i].f->name; }
struct slice filter_hold(const struct filter_talk *t) { return t ? sl_cstr(t->hold) : SL(""); }

/* ---- answers ---- */

static struct filter_answer say(int code, const char *enhanced, struct slice text)
{
    struct filter_answer r = {.code = code, .text = text};
    snprintf(r.enhanced, sizeof r.enhanced, "%s", enhanced);
    return r;
}

/* Which one, and why, is in the log: its name may be an address inside, and strangers hear this. */
struct filter_answer talk_without(struct filter_talk *t, const struct filter_link *k)
{
    switch (k->f->failure) {
    case FILTER_PASS: break;
    case FILTER_HOLD:
        snprintf(t->hold, sizeof t->hold, "the filter %s failed, and could not look at it", k->f->name);
        break;
    case FILTER_REFUSE:
        return say(554, "5.7.1", SL("A filter of this server is out of order, and no letter passes it by"));
    case FILTER_TEMPFAIL:
        return say(451, "4.7.1", SL("A filter of this server is out of order; try again later"));
    }
    return (struct filter_answer){0};
}

struct filter_answer talk_failed(struct filter_talk *t, struct filter_link *k, int e)
{
    log_warn("filter", "%s: %s", k->f->name, err_text(e));
    link_drop(k);
    k->state = LINK_FAILED;
    if (e == ERR_CANCELED) return say(421, "4.3.2", SL("The server is shutting down; try again later"));
    return talk_without(t, k);
}

int talk_answer(struct filter_link *k, const struct milter_reply *r, struct filter_answer *out, bool *skip)
{
    switch (r->kind) {
    case MILTER_SAYS_CONTINUE: return 0;
    case MILTER_SAYS_ACCEPT: k->state = k->state == LINK_LETTER ? LINK_PAST : LINK_DONE; return 0;
    case MILTER_SAYS_DISCARD:
        if (k->state != LINK_LETTER) break;
        out->discard = true;
        return 0;
    case MILTER_SAYS_SKIP:
        if (!skip) break;
        *skip = true;
        return 0;
    case MILTER_SAYS_REJECT: *out = say(550, "5.7.1", SL("This is refused here")); return 0;
    case MILTER_SAYS_TEMPFAIL:
        *out = say(451, "4.7.1", SL("This cannot be taken now; try again later"));
        return 0;
    case MILTER_SAYS_SHUTDOWN:
    case MILTER_SAYS_FAIL: *out = say(421, "4.7.0", SL("The connection is closed")); return 0;
    case MILTER_SAYS_CODE:
        *out = say(r->code, r->enhanced, r->text.n ? r->text : SL("This is refused here"));
        return 0;
    default: break;
    }
    return err_set(ERR_SYNTAX, "it said \"%c\" where that means nothing", r->kind);
}

int talk_step(struct filter_talk *t, struct filter_link *k, bool mute, struct arena *a,
              struct filter_answer *out, bool *skip)
{
    struct milter_reply r;
    int e = link_send(k, &t->out);
    if (e || mute) return e;
    e = link_read(k, a, &r);
    return e ? e : talk_answer(k, &r, out, skip);
}

/* ---- the steps ---- */

/* A step as it is told to one filter. */
struct step {
    enum milter_command command;
    enum milter_stage stage; /* MILTER_STAGES: without macros */
    uint32_t unwanted, mute;
    const struct slice *text;
    size_t ntext;
};

static void put_step(struct filter_talk *t, struct filter_link *k, const struct step *s)
{
    const struct ip *peer = &t->client.peer;
    buf_clear(&t->out);
    if (s->stage != MILTER_STAGES) talk_put_macros(t, k, s->stage, s->command);
    if (s->command == MILTER_CONNECT)
        milter_put_connect(&t->out, sl_cstr(t->name), peer->family, t->client.port, sl_cstr(t->address));
    else milter_put(&t->out, s->command, s->text, s->ntext);
}

static int take_step(struct filter_talk *t, struct filter_link *k, const struct step *s, struct arena *a,
                     struct filter_answer *out)
{
    if (k->options.protocol & s->unwanted) return 0;
    put_step(t, k, s);
    return talk_step(t, k, k->options.protocol & s->mute, a, out, NULL);
}

static const struct step connect_step = {
    MILTER_CONNECT, MILTER_AT_CONNECT, MILTER_NO_CONNECT, MILTER_MUTE_CONNECT, NULL, 0};

static int tell_helo(struct filter_talk *t, struct filter_link *k, struct arena *a, struct filter_answer *out)
{
    struct step s = {MILTER_HELO, MILTER_AT_HELO, MILTER_NO_HELO, MILTER_MUTE_HELO, &t->helo, 1};
    return t->helo.n ? take_step(t, k, &s, a, out) : 0;
}

/* A link that is new hears all that was said so far. */
static int catch_up(struct filter_talk *t, struct filter_link *k, struct arena *a, struct filter_answer *out)
{
    int e = link_open(k);
    if (e) return e;
    k->state = LINK_OPEN;
    e = take_step(t, k, &connect_step, a, out);
    if (!e && !out->code && k->state == LINK_OPEN) e = tell_helo(t, k, a, out);
    return e;
}

static bool within_letter(const struct filter_link *k) { return k->state == LINK_LETTER; }

/* Has the filter anything to do with a step at all? */
static bool takes_part(const struct filter_link *k, enum milter_command c)
{
    if (c == MILTER_RCPT) return within_letter(k);
    if (c == MILTER_UNKNOWN) return k->state == LINK_OPEN || within_letter(k);
    return k->state != LINK_DONE && k->state != LINK_FAILED;
}

static int ask_one(struct filter_talk *t, struct filter_link *k, const struct step *s, struct arena *a,
                   struct filter_answer *out)
{
    if (k->f->http) { /* hears of nothing until the letter is there */
        k->state = s->command == MILTER_MAIL ? LINK_LETTER : k->state;
        return 0;
    }
    bool fresh = k->state == LINK_NEW;
    int e = fresh ? catch_up(t, k, a, out) : 0;
    if (e || out->code || k->state == LINK_DONE) return e;
    if (fresh && (s->command == MILTER_CONNECT || s->command == MILTER_HELO)) return 0; /* it was told */
    if (s->command == MILTER_MAIL) k->state = LINK_LETTER;
    return take_step(t, k, s, a, out);
}

/* A filter that fails before there is a letter is asked once more when one comes; one that has failed within
 * a letter lets no more of it pass than its setting says. */
static bool is_of_letter(enum milter_command c) { return c == MILTER_MAIL || c == MILTER_RCPT; }

static struct filter_answer ask_all(struct filter_talk *t, const struct step *s, struct arena *a)
{
    struct filter_answer r = {0};
    int64_t before = deadline_narrow(DEADLINE_IN(FILTER_STEP));
    for (size_t i = 0; i < t->n && !r.code && !r.discard; i++) {
        struct filter_link *k = &t->link[i];
        if (k->state == LINK_FAILED && is_of_letter(s->command)) r = talk_without(t, k);
        if (!takes_part(k, s->command)) continue;
        int e = ask_one(t, k, s, a, &r);
        if (!e) continue;
        r = talk_failed(t, k, e);
        if (e != ERR_CANCELED && !is_of_letter(s->command)) r = (struct filter_answer){0};
    }
    deadline_restore(before);
    r.text = ar_dup(a, r.text);
    return r;
}

struct filter_answer filter_connect(struct filter_talk *t, struct arena *a)
{
    return ask_all(t, &connect_step, a);
}

struct filter_answer filter_helo(struct filter_talk *t, struct slice helo, struct arena *a)
{
    buf_clear(&t->greeted);
    buf_put(&t->greeted, helo);
    t->helo = buf_slice(&t->greeted);
    struct step s = {MILTER_HELO, MILTER_AT_HELO, MILTER_NO_HELO, MILTER_MUTE_HELO, &t->helo, 1};
    return ask_all(t, &s, a);
}

/* "<address>" in b, and the bare address as a fact. */
static struct slice keep_address(struct filter_talk *t, struct buf *b, int fact, struct slice address)
{
    buf_clear(b);
    buf_char(b, '<');
    buf_put(b, address);
    buf_char(b, '>');
    t->fact[fact] = sl_sub(buf_slice(b), 1, b->n - 1);
    return buf_slice(b);
}

/* A letter is a new beginning for a filter that has failed. */
static void begin_letter(struct filter_talk *t)
{
    t->hold[0] = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->link[i].state == LINK_FAILED) t->link[i].state = LINK_NEW;
}

struct filter_answer filter_mail(struct filter_talk *t, struct slice address, struct arena *a)
{
    struct slice path = keep_address(t, &t->sender, FACT_SENDER, address);
    struct step s = {MILTER_MAIL, MILTER_AT_MAIL, MILTER_NO_MAIL, MILTER_MUTE_MAIL, &path, 1};
    begin_letter(t);
    return ask_all(t, &s, a);
}

struct filter_answer filter_rcpt(struct filter_talk *t, struct slice address, struct arena *a)
{
    struct slice path = keep_address(t, &t->rcpt, FACT_RCPT, address);
    struct step s = {MILTER_RCPT, MILTER_AT_RCPT, MILTER_NO_RCPT, MILTER_MUTE_RCPT, &path, 1};
    return ask_all(t, &s, a);
}

struct filter_answer filter_unknown(struct filter_talk *t, struct slice line, struct arena *a)
{
    struct step s = {MILTER_UNKNOWN, MILTER_STAGES, MILTER_NO_UNKNOWN, MILTER_MUTE_UNKNOWN, &line, 1};
    return ask_all(t, &s, a);
}

/* After a letter that a filter saw to its end there is nothing to give up, but that a refusal may have come
 * from another filter before it did. */
void filter_forget(struct filter_talk *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct filter_link *k = &t->link[i];
        if (k->state != LINK_LETTER && k->state != LINK_PAST && k->state != LINK_CONTENT) continue;
        bool ended = k->state == LINK_CONTENT;
        k->state = LINK_OPEN;
        if (k->f->http) k->state = LINK_NEW;
        if (ended || k->f->http) continue;
        buf_clear(&t->out);
        milter_put(&t->out, MILTER_ABORT, NULL, 0);
        if (link_send(k, &t->out)) link_drop(k), k->state = LINK_NEW;
    }
}
