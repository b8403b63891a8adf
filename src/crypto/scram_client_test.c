/* scram_client_test.c - the client's half of SCRAM, by the example of RFC 7677 and against our own server. */
#include "base/test.h"
#include "base/text.h"
#include "crypto.h"

#define C_NONCE "rOprNGfwEbeRWgbNEkqO"
#define S_FIRST "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

TEST(scram_client_of_rfc7677)
{
    struct arena a = {0};
    struct scram_client c = {0};
    struct slice out = {0};
    CHECK_OK(scram_client_first(&c, &a, SL("user"), SL(C_NONCE), &out));
    CHECK_SL(out, "n,,n=user,r=" C_NONCE);
    CHECK_ERR(scram_client_verify(&c, SL("v=")), ERR_SYNTAX); /* nothing was asked yet */
    CHECK_OK(scram_client_final(&c, SL("pencil"), SL(S_FIRST), &out));
    CHECK_SL(out, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                  "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    CHECK_OK(scram_client_verify(&c, SL("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
    CHECK_ERR(scram_client_verify(&c, SL("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=")), ERR_DENIED);
    CHECK_ERR(scram_client_verify(&c, SL("v=6rri")), ERR_DENIED);
    CHECK_ERR(scram_client_verify(&c, SL("e=invalid-proof")), ERR_DENIED);
    CHECK_ERR(scram_client_verify(&c, SL("")), ERR_SYNTAX);
    ar_free(&a);
}

TEST(scram_client_believes_no_strange_server)
{
    static const struct {
        const char *challenge;
        int want;
    } t[] = {
        {"", ERR_SYNTAX},
        {"r=" C_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==", ERR_SYNTAX},
        {"m=ext,r=" C_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ERR_SYNTAX},
        {"r=" C_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ERR_DENIED}, /* it added nothing */
        {"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ERR_DENIED},
        {"r=" C_NONCE "x,s=%%%%,i=4096", ERR_SYNTAX},
        {"r=" C_NONCE "x,s=,i=4096", ERR_SYNTAX},
        {"r=" C_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", ERR_DENIED},
        {"r=" C_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000", ERR_DENIED},
        {"r=" C_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=40960000000", ERR_SYNTAX},
        {"r=" C_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1", ERR_SYNTAX},
        {"r=" C_NONCE "x,s=W22Z,i=4096,new=1", 0},
    };
    struct arena a = {0};
    struct slice out;
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct scram_client c = {0};
        CHECK_OK(scram_client_first(&c, &a, SL("user"), SL(C_NONCE), &out));
        CHECK_ERR(scram_client_final(&c, SL("pencil"), sl_cstr(t[i].challenge), &out), t[i].want);
    }
    struct scram_client c = {0};
    CHECK_ERR(scram_client_first(&c, &a, SL(""), SL(C_NONCE), &out), ERR_SYNTAX);
    CHECK_OK(scram_client_first(&c, &a, SL("a,b=c"), SL(C_NONCE), &out));
    CHECK_SL(out, "n,,n=a=2Cb=3Dc,r=" C_NONCE);
    ar_free(&a);
}

/* With and without channel binding; a server that did offer it hears that the offer did not arrive. */
TEST(scram_client_and_server_agree)
{
    struct arena a = {0};
    struct scram_keys k;
    uint8_t salt[16] = {1, 2, 3};
    CHECK_OK(scram_derive(SCRAM_SHA256, SL("p\xc3\xa4ss"), salt, 4096, &k));
    for (int plus = 0; plus < 3; plus++) {
        struct scram_server s = {.cb_size = plus ? 32 : 0};
        struct scram_client c = {.plus = plus == 1, .could_bind = plus == 2};
        struct slice out;
        for (int i = 0; i < 32; i++) s.cb_data[i] = c.binding[i] = (uint8_t)i;
        CHECK_OK(scram_client_first(&c, &a, SL("user"), SL(C_NONCE), &out));
        int e = scram_first(&s, &a, out, plus == 1);
        CHECK_INT(e, plus == 2 ? ERR_DENIED : 0);
        if (e) continue;
        CHECK_OK(scram_client_final(&c, SL("p\xc3\xa4ss"), scram_challenge(&s, &k, SL("server")), &out));
        CHECK_OK(scram_final(&s, out, &out));
        CHECK_OK(scram_client_verify(&c, out));
    }
    ar_free(&a);
}
