/* trace_test.c - events and finding letters. */
#include "trace.h"

#include <stdio.h>

#include "base/text.h"
#include "rt/test_rt.h"

struct fixture {
    struct kv *kv;
    struct trace *t;
    struct arena a;
};

static bool fixture_begin(struct fixture *f)
{
    ar_init(&f->a, 0);
    int e = kv_mem_open(&f->kv, NULL);
    CHECK_OK(e);
    if (e == 0) f->t = trace_open(f->kv);
    return e == 0;
}

static void fixture_end(struct fixture *f)
{
    trace_close(&f->t);
    kv_close(&f->kv);
    ar_free(&f->a);
}

TEST(a_letters_events_come_in_order)
{
    struct fixture f;
    struct letter_id id, other;
    struct trace_event *e;
    size_t n;
    REQUIRE(fixture_begin(&f));
    letter_id_new(&id);
    letter_id_new(&other);
    trace_addf(f.t, &id, TRACE_RECEIVED, SL(""), "from %s", "192.0.2.1");
    trace_add(f.t, &(struct trace_event){.id = id,
                                         .kind = TRACE_DELIVERED,
                                         .who = SL("bob@one.test"),
                                         .sentence = SL("into INBOX"),
                                         .data = SL("{\"uid\":1}")});
    trace_addf(f.t, &other, TRACE_REFUSED, SL(""), "550");
    trace_add(f.t,
              &(struct trace_event){.id = id, .time = 1, .kind = TRACE_CHECKED, .sentence = SL("earlier")});
    CHECK_OK(trace_read(f.t, &id, &f.a, &e, &n));
    REQUIRE(n == 3);
    CHECK_SL(e[0].sentence, "earlier");
    CHECK(e[0].time == 1 && e[0].kind == TRACE_CHECKED);
    CHECK_SL(e[1].sentence, "from 192.0.2.1");
    CHECK(e[1].kind == TRACE_RECEIVED && e[1].time <= e[2].time && e[1].time > 1700000000000000);
    CHECK_SL(e[2].who, "bob@one.test");
    CHECK_SL(e[2].data, "{\"uid\":1}");
    CHECK_SL(sl_cstr(trace_word(e[2].kind)), "delivered");
    letter_id_new(&id);
    CHECK_ERR(trace_read(f.t, &id, &f.a, &e, &n), ERR_NOT_FOUND);
    CHECK_ERR(trace_read(f.t, &(struct letter_id){"nonsense"}, &f.a, &e, &n), ERR_SYNTAX);
    fixture_end(&f);
}

struct together {
    struct trace *t;
    const struct trace_event *e;
    size_t n;
};

static int put_together(struct kv_tx *tx, void *arg)
{
    struct together *x = arg;
    trace_tx_add_together(x->t, tx, x->e, x->n);
    return 0;
}

static void add_together(struct fixture *f, const struct trace_event *e, size_t n)
{
    CHECK_OK(kv_transact(f->kv, SL("q:00"), put_together, &(struct together){f->t, e, n}));
}

TEST(events_that_come_together_share_a_row)
{
    struct fixture f;
    struct letter_id id;
    struct trace_event *e;
    size_t n;
    static char text[9000];
    memset(text, 'x', sizeof text);
    REQUIRE(fixture_begin(&f));
    letter_id_new(&id);
    struct trace_event four[TRACE_TOGETHER_MAX] = {
        {.id = id, .kind = TRACE_RECEIVED, .sentence = SL("from a")},
        {.id = id, .kind = TRACE_CHECKED, .who = SL("bob@one.test"), .sentence = SL("accept")},
        {.id = id, .kind = TRACE_REWRITTEN},
        {.id = id, .kind = TRACE_SIGNED, .who = sl(text, sizeof text), .sentence = sl(text, sizeof text)},
    };
    add_together(&f, four, 4);
    for (int i = 0; i < 20; i++) add_together(&f, four, 2);
    trace_addf(f.t, &id, TRACE_DELIVERED, SL(""), "last");
    CHECK_OK(trace_read(f.t, &id, &f.a, &e, &n));
    REQUIRE(n == 4 + 40 + 1);
    CHECK_SL(e[0].sentence, "from a");
    CHECK(e[0].who.n == 0 && e[0].time > 1700000000000000);
    CHECK(e[1].kind == TRACE_CHECKED && e[1].time == e[0].time);
    CHECK_SL(e[1].who, "bob@one.test");
    CHECK(e[2].kind == TRACE_REWRITTEN && !e[2].sentence.n && !e[2].who.n);
    CHECK(e[3].who.n == 8000 && e[3].sentence.n == 8000);
    CHECK(e[43].kind == TRACE_CHECKED && e[44].kind == TRACE_DELIVERED);
    CHECK(!strcmp(e[44].id.s, id.s));
    fixture_end(&f);
}

TEST(letters_are_found_newest_first)
{
    struct fixture f;
    struct letter_id id[30], *found;
    struct slice rcpt[] = {SL("Bob@One.test"), SL("carol@one.test")};
    size_t n, damaged;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 30; i++) {
        char message_id[32];
        letter_id_new(&id[i]);
        snprintf(message_id, sizeof message_id, "<%d@one.test>", i);
        trace_addf(f.t, &id[i], TRACE_RECEIVED, SL(""), "letter %d", i);
        trace_index(f.t, &id[i], sl_cstr(message_id), SL("alice@one.test"), rcpt, i % 2 ? 2 : 1);
    }
    CHECK_OK(trace_find(f.t, SL("bob@one.TEST"), 5, &f.a, &found, &n, &damaged));
    REQUIRE(n == 5);
    for (int i = 0; i < 5; i++)
        CHECK(!strcmp(found[i].s, id[29 - i].s) || letter_id_time(&found[i]) == letter_id_time(&id[29]));
    CHECK_OK(trace_find(f.t, SL("carol@one.test"), 100, &f.a, &found, &n, &damaged));
    CHECK_INT(n, 15);
    CHECK_OK(trace_find(f.t, SL("alice@one.test"), 100, &f.a, &found, &n, &damaged));
    CHECK_INT(n, 30);
    CHECK_OK(trace_find(f.t, SL("<7@one.test>"), 100, &f.a, &found, &n, &damaged));
    REQUIRE(n == 1);
    CHECK_SL(sl_cstr(found[0].s), id[7].s);
    CHECK_OK(trace_find(f.t, SL("7@one.test"), 100, &f.a, &found, &n, &damaged));
    CHECK_INT(n, 1);
    CHECK_OK(trace_find(f.t, sl_cstr(id[3].s), 100, &f.a, &found, &n, &damaged));
    REQUIRE(n == 1);
    CHECK_SL(sl_cstr(found[0].s), id[3].s);
    CHECK_OK(trace_find(f.t, SL("nobody@one.test"), 100, &f.a, &found, &n, &damaged));
    CHECK_INT(n, 0);
    CHECK_OK(trace_find(f.t, SL(""), 100, &f.a, &found, &n, &damaged));
    CHECK_INT(n, 0);
    fixture_end(&f);
}

static int damage_first(void *tx, struct slice key, struct slice value)
{
    (void)value;
    kv_tx_put(tx, key, SL("\1x"));
    return 1;
}

static int damage_an_event(struct kv_tx *tx, void *arg)
{
    (void)arg;
    return kv_tx_scan(tx, SL("e/"), SL("e0"), damage_first, tx) < 0;
}

static int damage_the_index(struct kv_tx *tx, void *arg)
{
    (void)arg;
    return kv_tx_scan(tx, SL("a/"), SL("a0"), damage_first, tx) < 0;
}

TEST(who_looks_for_letters_hears_of_rows_that_cannot_be_read)
{
    struct fixture f;
    struct letter_id id, *found;
    struct slice rcpt = SL("bob@one.test");
    size_t n, damaged = 7;
    char name[40];
    REQUIRE(fixture_begin(&f));
    letter_id_new(&id);
    trace_addf(f.t, &id, TRACE_RECEIVED, SL(""), "a letter");
    trace_index(f.t, &id, SL(""), SL(""), &rcpt, 1);
    CHECK_OK(trace_find(f.t, rcpt, 5, &f.a, &found, &n, &damaged));
    CHECK(n == 1 && damaged == 0);
    snprintf(name, sizeof name, "t:%05llx.i%llx", (unsigned long long)letter_id_time(&id) / 86400,
             (unsigned long long)hash_stable(rcpt, true) >> 60);
    CHECK_OK(kv_transact(f.kv, sl_cstr(name), damage_the_index, NULL));
    CHECK_OK(trace_find(f.t, rcpt, 5, &f.a, &found, &n, &damaged));
    CHECK(n == 0 && damaged == 1);
    fixture_end(&f);
}

TEST(an_event_that_cannot_be_read_is_told_and_hides_no_other)
{
    struct fixture f;
    struct letter_id id = {"0000000000abcdef"};
    struct trace_event *e;
    size_t n;
    char name[40], text[2100];
    REQUIRE(fixture_begin(&f));
    memset(text, 'x', sizeof text);
    memcpy(text + 1999, "\xc3\xa4", 3);
    trace_addf(f.t, &id, TRACE_RECEIVED, SL(""), "lost");
    trace_addf(f.t, &id, TRACE_QUEUED, SL(""), "%s", text);
    CHECK_OK(trace_read(f.t, &id, &f.a, &e, &n));
    REQUIRE(n == 2 && e[1].sentence.n == 1999); /* not half a character */
    snprintf(name, sizeof name, "t:%05llx.e%02u", (unsigned long long)letter_id_time(&id) / 86400,
             (unsigned)(letter_id_time(&id) % 86400 / 3600));
    CHECK_OK(kv_transact(f.kv, sl_cstr(name), damage_an_event, NULL));
    CHECK_OK(trace_read(f.t, &id, &f.a, &e, &n));
    REQUIRE(n == 2);
    CHECK(e[0].kind == TRACE_UNREADABLE && e[1].kind == TRACE_QUEUED);
    CHECK(sl_starts(e[0].sentence, SL("an event cannot be read, the row e/0000000000abcdef/")));
    fixture_end(&f);
}

TEST(old_days_are_forgotten)
{
    struct fixture f;
    struct letter_id old = {"0000000000abcdef"}, new;
    struct trace_event *e;
    size_t n;
    REQUIRE(fixture_begin(&f));
    letter_id_new(&new);
    trace_addf(f.t, &old, TRACE_RECEIVED, SL(""), "in 2020");
    trace_addf(f.t, &new, TRACE_RECEIVED, SL(""), "today");
    CHECK_OK(trace_read(f.t, &old, &f.a, &e, &n));
    CHECK_OK(trace_expire(f.t, 30));
    CHECK_ERR(trace_read(f.t, &old, &f.a, &e, &n), ERR_NOT_FOUND);
    CHECK_OK(trace_read(f.t, &new, &f.a, &e, &n));
    CHECK_OK(trace_expire(f.t, 0)); /* today is kept */
    CHECK_OK(trace_read(f.t, &new, &f.a, &e, &n));
    fixture_end(&f);
}

static struct letter_id letter_at(struct fixture *f, int64_t seconds_ago, const char *to,
                                  const char *sentence)
{
    struct letter_id id;
    letter_id_floor(&id, rt_wall() - seconds_ago * 1000000);
    trace_addf(f->t, &id, TRACE_RECEIVED, SL(""), "from mail.peer.test [192.0.2.1]");
    trace_addf(f->t, &id, TRACE_DELIVERED, sl_cstr(to), "%s", sentence);
    return id;
}

static const char *newest(struct fixture *f, struct trace_filter x, size_t limit)
{
    struct letter_id *id;
    size_t n, damaged;
    struct slice out = SL("");
    if (trace_last(f->t, &x, limit, &f->a, &id, &n, &damaged)) return "error";
    for (size_t i = 0; i < n; i++) out = ar_printf(&f->a, "%.*s%s%s", SLF(out), i ? " " : "", id[i].s);
    return ar_cstr(&f->a, out);
}

TEST(the_newest_letters_by_time_domain_and_host)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    CHECK(!strcmp(newest(&f, (struct trace_filter){0}, 5), ""));
    struct letter_id old = letter_at(&f, 3 * 86400, "a@one.test", "to mx.far.test [203.0.113.9]:25");
    struct letter_id mid = letter_at(&f, 4000, "b@two.test", "sender <x@sub.one.test>");
    struct letter_id new = letter_at(&f, 5, "c@TWO.test", "sender <y@one.test.>, by 203.0.113.90");
    const char *all = ar_cstr(&f.a, ar_printf(&f.a, "%s %s %s", new.s, mid.s, old.s));
    CHECK(!strcmp(newest(&f, (struct trace_filter){0}, 5), all));
    CHECK(!strcmp(newest(&f, (struct trace_filter){0}, 1), new.s));
    CHECK(!strcmp(newest(&f, (struct trace_filter){.domain = SL("one.test")}, 5),
                  ar_cstr(&f.a, ar_printf(&f.a, "%s %s", new.s, old.s))));
    CHECK(!strcmp(newest(&f, (struct trace_filter){.domain = SL("Two.test")}, 1), new.s));
    CHECK(!strcmp(newest(&f, (struct trace_filter){.host = SL("203.0.113.9")}, 5), old.s));
    CHECK(!strcmp(newest(&f, (struct trace_filter){.host = SL("MX.far.test")}, 5), old.s));
    CHECK(!strcmp(newest(&f, (struct trace_filter){.host = SL("far.test")}, 5), ""));
    CHECK(!strcmp(newest(&f, (struct trace_filter){.host = SL("mail.peer.test")}, 5), all));
    CHECK(!strcmp(newest(&f, (struct trace_filter){.since = rt_wall_seconds() - 5000}, 5),
                  ar_cstr(&f.a, ar_printf(&f.a, "%s %s", new.s, mid.s))));
    fixture_end(&f);
}

/* A clock that was wrong once made a day of 1970: the half a million hours since are not looked at. */
TEST(the_newest_letters_are_found_over_a_gap_of_half_a_century)
{
    struct fixture f;
    struct letter_id first, *id;
    size_t n, damaged;
    REQUIRE(fixture_begin(&f));
    letter_id_floor(&first, INT64_C(100000) * 1000000);
    trace_addf(f.t, &first, TRACE_RECEIVED, SL(""), "from mail.peer.test");
    struct letter_id new = letter_at(&f, 5, "c@two.test", "to mx.far.test");
    struct letter_id later = letter_at(&f, -3 * 86400, "c@two.test", "to mx.far.test");
    struct arena a;
    ar_init(&a, 1 << 20);
    CHECK_OK(trace_last(f.t, &(struct trace_filter){0}, 5, &a, &id, &n, &damaged));
    REQUIRE(n == 2);
    CHECK(!ar_over(&a)); /* of rows that are not there */
    CHECK(!strcmp(id[0].s, new.s) && !strcmp(id[1].s, first.s) && strcmp(id[0].s, later.s) != 0);
    ar_free(&a);
    fixture_end(&f);
}

TEST(letters_of_a_session)
{
    struct fixture f;
    struct letter_id one, two, session, other, *found;
    struct trace_event *e;
    size_t n, damaged;
    REQUIRE(fixture_begin(&f));
    letter_id_new(&session);
    letter_id_new(&other);
    letter_id_floor(&one, rt_wall());
    letter_id_floor(&two, rt_wall() + 1000);
    struct trace_event ev = {.id = one, .kind = TRACE_RECEIVED, .session_id = sl_cstr(session.s)};
    add_together(&f, &ev, 1);
    ev = (struct trace_event){.id = two, .kind = TRACE_REFUSED, .session_id = sl_cstr(session.s)};
    trace_add(f.t, &ev);
    trace_addf(f.t, &two, TRACE_REFUSED, SL(""), "of no session");
    CHECK_OK(trace_find_session(f.t, sl_cstr(session.s), 10, &f.a, &found, &n, &damaged));
    REQUIRE(n == 2 && !damaged);
    CHECK(!strcmp(found[0].s, two.s) && !strcmp(found[1].s, one.s));
    CHECK_OK(trace_find_session(f.t, sl_cstr(session.s), 1, &f.a, &found, &n, &damaged));
    CHECK(n == 1);
    CHECK_OK(trace_find_session(f.t, sl_cstr(other.s), 10, &f.a, &found, &n, &damaged));
    CHECK(n == 0);
    CHECK_OK(trace_read(f.t, &two, &f.a, &e, &n));
    REQUIRE(n == 2);
    CHECK_SL(e[0].session_id, session.s);
    CHECK(!e[1].session_id.n);
    fixture_end(&f);
}

/* ---- of older programs, which had one object a day ---- */

struct older {
    struct fixture *f;
    struct slice to;
    struct kv_page page;
};

static int put_rows(struct kv_tx *tx, void *arg)
{
    const struct older *o = arg;
    for (size_t i = 0; i < o->page.n; i++) kv_tx_put(tx, o->page.row[i].key, o->page.row[i].value);
    return 0;
}

static int one_of_a_day(void *arg, struct slice object)
{
    struct older o = {.f = arg, .to = sl_sub(object, 0, 7)};
    if (object.n == 7) return 0;
    int e = kv_scan(o.f->kv, object, SL(""), SL(""), KV_PAGE_MAX, &o.f->a, &o.page);
    if (e == 0) e = kv_transact(o.f->kv, ar_dup(&o.f->a, o.to), put_rows, &o);
    return e ? e : kv_erase(o.f->kv, object, SL(""), SL(""));
}

static int count_object(void *arg, struct slice object)
{
    (void)object;
    ++*(size_t *)arg;
    return 0;
}

static size_t objects(struct fixture *f)
{
    size_t n = 0;
    CHECK_OK(kv_each_object(f->kv, SL("t:"), SL("t;"), count_object, &n));
    return n;
}

TEST(what_older_programs_traced_is_found_beside_what_is_new)
{
    struct fixture f;
    struct letter_id old, new, *found;
    struct trace_event *e;
    struct slice rcpt = SL("bob@one.test");
    size_t n, damaged;
    REQUIRE(fixture_begin(&f));
    letter_id_new(&old);
    letter_id_new(&new);
    trace_addf(f.t, &old, TRACE_RECEIVED, SL(""), "first");
    trace_index(f.t, &old, SL("<m@x.test>"), SL(""), &rcpt, 1);
    CHECK_OK(trace_read(f.t, &old, &f.a, &e, &n));
    CHECK_OK(kv_each_object(f.kv, SL("t:"), SL("t;"), one_of_a_day, &f));
    CHECK_INT(objects(&f), 1);
    trace_addf(f.t, &old, TRACE_QUEUED, SL(""), "second");
    trace_addf(f.t, &new, TRACE_RECEIVED, SL(""), "another");
    trace_index(f.t, &new, SL(""), SL(""), &rcpt, 1);
    CHECK_OK(trace_read(f.t, &old, &f.a, &e, &n));
    REQUIRE(n == 2);
    CHECK(e[0].kind == TRACE_RECEIVED && e[1].kind == TRACE_QUEUED);
    CHECK_OK(trace_find(f.t, rcpt, 5, &f.a, &found, &n, &damaged));
    CHECK(n == 2 && damaged == 0);
    CHECK_OK(trace_find(f.t, SL("m@x.test"), 5, &f.a, &found, &n, &damaged));
    REQUIRE(n == 1);
    CHECK(strcmp(found[0].s, old.s) == 0);
    CHECK_OK(trace_last(f.t, &(struct trace_filter){0}, 5, &f.a, &found, &n, &damaged));
    REQUIRE(n == 2);
    CHECK(strcmp(found[0].s, found[1].s) > 0); /* each once, the newest first */
    CHECK(objects(&f) > 2);
    fixture_end(&f);
}

/* However many days are kept. */
TEST(letters_of_thousands_of_days_are_found)
{
    enum { DAYS = 1500 };
    struct fixture f;
    struct letter_id id, *found;
    struct slice rcpt = SL("bob@one.test");
    size_t n, damaged;
    REQUIRE(fixture_begin(&f));
    for (int64_t day = 0; day < DAYS; day++) {
        letter_id_floor(&id, INT64_C(1600000000000000) + day * 86400000000);
        trace_addf(f.t, &id, TRACE_RECEIVED, SL(""), "day %d", (int)day);
        trace_index(f.t, &id, SL(""), SL(""), &rcpt, 1);
    }
    CHECK_OK(trace_find(f.t, rcpt, DAYS, &f.a, &found, &n, &damaged));
    REQUIRE(n == DAYS);
    CHECK(strcmp(found[0].s, id.s) == 0);
    CHECK_OK(trace_expire(f.t, 30));
    CHECK_OK(trace_find(f.t, rcpt, DAYS, &f.a, &found, &n, &damaged));
    CHECK(n < 30 && objects(&f) < 60);
    fixture_end(&f);
}
