/* conversation_fuzz.c - any bytes as Subject and References. */
#include "base/fuzz.h"
#include "base/text.h"
#include "conversation.h"

FUZZ
{
    struct arena a;
    struct mail_subject s;
    struct slice *id;
    ar_init(&a, 0);
    mail_subject(&a, input, &s);
    ASSERT(utf8_valid(s.base));
    size_t n = mail_message_ids(&a, input, 20, &id);
    ASSERT(n <= 20);
    for (size_t i = 0; i < n; i++) ASSERT(id[i].n && id[i].n <= input.n);
    ar_free(&a);
}
