/* backup_mx_test.c - what is asked of the servers of others, what is remembered, and for how much. */
#include "backup_mx.h"

#include <stdio.h>

#include "rt/test_rt.h"

struct primary {
    enum backup_mx_word word;
    unsigned asked;
    struct backup_mx *b; /* asks about another address meanwhile */
    unsigned within;
};

static void answer(void *ctx, struct arena *a, struct slice domain, struct slice address,
                   struct backup_mx_said *out)
{
    struct primary *p = ctx;
    p->asked++;
    CHECK_SL(domain, "two.test");
    *out = (struct backup_mx_said){p->word, ar_cat(a, SL("says no to "), address)};
    if (p->b && p->asked <= p->within) {
        struct slice other = ar_printf(a, "x%u@two.test", p->asked);
        (void)!backup_mx_judge(p->b, a, backup_mx_find(p->b, domain), other);
    }
}

struct fixture {
    struct arena a;
    struct primary p;
    struct backup_mx b;
    struct backup_mx_domain *d;
};

static void begin(struct fixture *f)
{
    static const struct slice names[] = {SL_INIT("two.test"), SL_INIT("three.test")};
    *f = (struct fixture){.p.word = BACKUP_MX_TAKES};
    ar_init(&f->a, 0);
    backup_mx_open(&f->b, &f->a, names, COUNT_OF(names), answer, &f->p);
    f->d = backup_mx_find(&f->b, SL("Two.test"));
}

static void end(struct fixture *f)
{
    backup_mx_close(&f->b);
    ar_free(&f->a);
}

TEST(answers_of_the_primary_are_remembered)
{
    struct fixture f;
    begin(&f);
    REQUIRE(f.d);
    CHECK(!backup_mx_find(&f.b, SL("four.test")) && !backup_mx_find(NULL, SL("two.test")));
    for (int i = 0; i < 3; i++) CHECK_OK(backup_mx_judge(&f.b, &f.a, f.d, SL("bob@two.test")));
    CHECK_INT(f.p.asked, 1);
    f.p.word = BACKUP_MX_REFUSES;
    for (int i = 0; i < 3; i++) {
        CHECK_ERR(backup_mx_judge(&f.b, &f.a, f.d, SL("eve@two.test")), ERR_NOT_FOUND);
        CHECK_SL(sl_cstr(err_text(ERR_NOT_FOUND)), "says no to eve@two.test");
    }
    CHECK_INT(f.p.asked, 2);
    CHECK_OK(backup_mx_judge(&f.b, &f.a, f.d, SL("bob@two.test")));
    f.p.word = BACKUP_MX_LATER; /* is no answer: the next one asks again */
    for (int i = 0; i < 3; i++) CHECK_OK(backup_mx_judge(&f.b, &f.a, f.d, SL("joe@two.test")));
    CHECK_INT(f.p.asked, 5);
    end(&f);
}

TEST(a_silent_primary_is_not_asked_again_and_gets_so_much_unseen)
{
    struct fixture f;
    char name[64];
    int e = 0, taken = 0;
    begin(&f);
    f.p.word = BACKUP_MX_SILENT;
    for (; !e && taken <= BACKUP_MX_BLIND_MAX; taken += !e) {
        snprintf(name, sizeof name, "u%d@two.test", taken);
        e = backup_mx_judge(&f.b, &f.a, f.d, sl_cstr(name));
    }
    CHECK_ERR(e, ERR_BUSY);
    CHECK_INT(taken, BACKUP_MX_BLIND_MAX);
    CHECK_INT(f.p.asked, 1);
    end(&f);
}

/* One session without time left does not have the domain's mail taken unseen. */
TEST(a_primary_is_not_silent_because_a_session_had_no_time)
{
    struct fixture f;
    begin(&f);
    f.p.word = BACKUP_MX_SILENT;
    int64_t before = deadline_narrow(rt_now());
    CHECK_OK(backup_mx_judge(&f.b, &f.a, f.d, SL("bob@two.test")));
    deadline_restore(before);
    f.p.word = BACKUP_MX_REFUSES;
    CHECK_ERR(backup_mx_judge(&f.b, &f.a, f.d, SL("eve@two.test")), ERR_NOT_FOUND);
    CHECK_INT(f.p.asked, 2);
    end(&f);
}

TEST(what_strangers_ask_is_bounded)
{
    struct fixture f;
    char name[64];
    begin(&f);
    for (int i = 0; i <= BACKUP_MX_KNOWN_MAX; i++) {
        struct arena a;
        ar_init(&a, 0);
        snprintf(name, sizeof name, "u%d@two.test", i);
        CHECK_OK(backup_mx_judge(&f.b, &a, f.d, sl_cstr(name)));
        CHECK(f.b.known.count <= BACKUP_MX_KNOWN_MAX);
        ar_free(&a);
    }
    CHECK(f.b.known.count < 10);
    end(&f);
}

/* One question within the other, more than may be open at once. */
TEST(questions_at_once_are_bounded)
{
    struct fixture f;
    begin(&f);
    f.p.b = &f.b;
    f.p.within = 1000;
    CHECK_OK(backup_mx_judge(&f.b, &f.a, f.d, SL("bob@two.test")));
    CHECK_INT(f.p.asked, BACKUP_MX_ASKING_MAX);
    CHECK_INT(f.d->asking, 0);
    end(&f);
}
