/* Names: what is a number and what a user, one hash for every spelling, masks that tell no length,
 * URIs in all their forms, sentences word by word. */
#include "outputs_test.h"

#include "outputs/reduce.h"

#define KEY SLICE("0123456789abcdef")
#define ALICE "u-fdbf8b1cacd3d578" /* HMAC-SHA256 of "alice" under that key, by another program */
#define NUMBER "n-8168b73935369d20" /* of "+15550100" */

struct row {
    const char *given;
    const char *wanted;
};

static struct reducer *open_with(enum reduce_mode numbers, enum reduce_mode users)
{
    struct reducer *reducer = NULL;
    struct error error;

    assert_int_equal(reduce_open(numbers, users, KEY, &reducer, &error), STATUS_OK);
    return reducer;
}

typedef void (*reduce_function)(struct reducer *reducer, struct slice given, struct text *out);

static void check(struct reducer *reducer, reduce_function reduce, const struct row *rows,
                  size_t count)
{
    for (unsigned turn = 0; turn < 2; turn++) { /* the second time out of the cache */
        for (size_t i = 0; i < count; i++) {
            char room[REDUCE_TEXT_BYTES_MAX];
            struct text text = text_into(room, sizeof room);
            reduce(reducer, slice_of_string(rows[i].given), &text);
            if (text.overflow || !slice_equal(text_slice(&text), slice_of_string(rows[i].wanted))) {
                fail_msg("'%s' gives '%.*s', wanted '%s'", rows[i].given, (int)text.bytes, room,
                         rows[i].wanted);
            }
        }
    }
    reduce_close(reducer);
}

#define CHECK(reducer, reduce, rows) check(reducer, reduce, rows, sizeof(rows) / sizeof(rows)[0])

static void every_spelling_has_one_hash(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"alice", ALICE},
        {"ALICE", ALICE},
        {" alice ", ALICE},
        {"%61lice", ALICE},
        {"%61%4cICE", ALICE},
        {"alice@pbx.example", ALICE "@pbx.example"},
        {"+15550100", NUMBER},
        {"+1 (555) 01-00", NUMBER},
        {"+1.555.0100", NUMBER},
        {"%2B15550100", NUMBER},
        {"+15550100;phone-context=pbx.example", NUMBER},
        {"+15550100@pbx.example", NUMBER "@pbx.example"},
        {"", ""},
        {"@alice", "u-3266119c1980e3a3"}, /* no domain behind it: a user of a strange name */
        {"@alice@pbx.example", "u-3266119c1980e3a3@pbx.example"},
        {"192.0.2.10", "192.0.2.10"},
        {"2001:db8::1", "2001:db8::1"},
    };

    CHECK(open_with(REDUCE_HASH, REDUCE_HASH), reduce_name, rows);
}

/* The two options are independent; what is neither number nor address is a user. */
static void tells_numbers_from_users(void **state)
{
    (void)state;
    const struct row users[] = {
        {"112", "112"},     {"2001", "2001"},  {"*72#555", "*72#555"},     {"12", "1***"},
        {"2001a", "2***"},  {"a2001", "a***"}, {"+15550100", "+15550100"}, {"1+5550100", "1***"},
        {"", ""},           {"0x7d1", "0***"}, {"Alice Example", "a***"},  {"....", ".***"},
        {"@alice", "@***"},
    };
    const struct row numbers[] = {
        {"112", "****"},
        {"2001", "****"},
        {"20011", "2****"},
        {"200112", "20****"},
        {"+15550100", "+1555****"},
        {"+1-555-0100", "+1555****"},
        {"0015550100", "00155****"},
        {"123456789012345", "123456****"},
        {"alice", "alice"},
        {"%61lice", "%61lice"},
        {"12", "12"},
    };

    CHECK(open_with(REDUCE_CLEAR, REDUCE_MASK), reduce_name, users);
    CHECK(open_with(REDUCE_MASK, REDUCE_CLEAR), reduce_name, numbers);
}

static void hides_the_names_of_uris(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"sip:alice@pbx.example", "sip:a***@pbx.example"},
        {"SIPS:%61lice@pbx.example:5061;transport=tls;lr",
         "SIPS:a***@pbx.example:5061;transport=tls;lr"},
        {"sip:alice:secret@pbx.example", "sip:a***@pbx.example"},
        {"sip:alice@bob@pbx.example", "sip:a***@bob@pbx.example"},
        {"sip:@alice@pbx.example", "sip:@***@pbx.example"},
        {"sip:pbx.example;lr", "sip:pbx.example;lr"},
        {"sip:2001", "sip:****"},
        {"sip:+15550100:5060;lr", "sip:+1555****:5060;lr"},
        {"sip:alice@15550100", "sip:a***@1555****"},
        {"sip:alice@192.0.2.1:5060", "sip:a***@192.0.2.1:5060"},
        {"sip: pbx.example ;lr", "sip: pbx.example ;lr"},
        {"sip:[2001:db8::1]:5060", "sip:[2001:db8::1]:5060"},
        {"<sip:alice<b>@pbx.example>", "<sip:a***>;***"}, /* the sign ended it */
        {"sip:pbx.example;x-user=alice@home", "sip:p***@home"},
        {"sip:2001@192.0.2.1:5060;ob;x=alice;y=bob;lr", "sip:****@192.0.2.1:5060;ob;***;lr"},
        {"sip:2001@pbx.example?From=alice%40home", "sip:****@pbx.example?***"},
        {"sip:2001@pbx.example;user=phone", "sip:****@pbx.example;user=phone"},
        {"sip:2001@pbx.example;user=alice", "sip:****@pbx.example;***"},
        {"tel:+1-555-0100", "tel:+1555****"},
        {"tel:0100;phone-context=+1555", "tel:****;***"},
        {"\"Alice Example\" <sip:2001@pbx.example>;reason=no-answer;x=alice",
         "\"a***\" <sip:****@pbx.example>;reason=no-answer;***"},
        {"\"A <b> \\\"c\" <sip:2001@pbx.example>", "\"a***\" <sip:****@pbx.example>"},
        {"Bob <tel:2001>", "\"b***\" <tel:****>"},
        {"<sip:2001@pbx.example", "<sip:****@pbx.example>"},
        {"\"<sip:2001@pbx.example>", "\"***@pbx.example>"},
        {"*", "*"},
        {"urn:service:sos", "urn:service:sos"},
        {"alice", "a***"},
        {"mailto:alice@pbx.example", "m***@pbx.example"},
        {"", ""},
        {"sip:", "sip:"},
        {"sip:@", "sip:@"},
        {"<", "<>"},
    };

    CHECK(open_with(REDUCE_MASK, REDUCE_MASK), reduce_uri, rows);
}

static void joins_uris_with_names(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"sip:Alice@pbx.example", "sip:" ALICE "@pbx.example"},
        {"sip:%41lice@pbx.example;lr", "sip:" ALICE "@pbx.example;lr"},
        {"<sip:alice:secret@pbx.example>", "<sip:" ALICE "@pbx.example>"},
        {"tel:+1-555-0100", "tel:" NUMBER},
        {"sip:+15550100;phone-context=x@pbx.example", "sip:" NUMBER "@pbx.example"},
    };

    CHECK(open_with(REDUCE_HASH, REDUCE_HASH), reduce_uri, rows);
}

static void hides_whole_words_of_sentences(void **state)
{
    (void)state;
    static const char *const names[] = {
        "alice",      "2001", "2001",      "a",        "alice.b",
        "192.0.2.7",  "60",   "+15550100", "15550100", "bob@pbx.example",
        "caf\xc3\xa9"};
    const struct row rows[] = {
        {"alice", "a***"},
        {"alice, 2001 and malice: alices", "a***, **** and malice: alices"},
        {"Account 2001@pbx.example called.", "Account ****@pbx.example called."},
        {"a call of a@pbx.example", "a call of a***@pbx.example"},
        {"alice.b. alice.c, alice.", "a***. alice.c, a***."},
        {"192.0.2.7 for 60 s, 192.0.2.2001", "192.0.2.7 for 60 s, 192.0.2.2001"},
        {"2001-01-05T09:20:01Z from 192.0.2.1:2001 /2001",
         "2001-01-05T09:20:01Z from 192.0.2.1:2001 /****"},
        {"+15550100, +155501001, 15550100", "+1555****, +155501001, 1555****"},
        {"by bob, by sip:bob@pbx.example", "by b***, by sip:b***@pbx.example"},
        {"caf\xc3\xa9 caf\xc3\xa9s", "c*** caf\xc3\xa9s"},
        {"2001:db8::1, 2001::1, 2001: 2001", "2001:db8::1, 2001::1, ****: ****"},
        {"2001", "****"},
        {"", ""},
    };
    struct reducer *reducer = open_with(REDUCE_MASK, REDUCE_MASK);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        reduce_remember(reducer, slice_of_string(names[i]));
    }
    CHECK(reducer, reduce_sentence, rows);
}

static void hides_names_inside_of_what_others_wrote(void **state)
{
    (void)state;
    static const char *const names[] = {"alice", "2001", "al", "192.0.2.7"};
    const struct row rows[] = {
        {"alice, Alice's, malice.acl", "a***, a***'s, ma***.acl"},
        {"user-2001, 2001.acl, 02001: sip:2001@pbx.example",
         "user-****, ****.acl, 0****: sip:****@pbx.example"},
        {"al gave 192.0.2.7 to all", "a*** gave 192.0.2.7 to all"},
        {"", ""},
    };
    struct reducer *reducer = open_with(REDUCE_MASK, REDUCE_MASK);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        reduce_remember(reducer, slice_of_string(names[i]));
    }
    CHECK(reducer, reduce_foreign, rows);
}

static void forgets_the_names_of_the_last_record(void **state)
{
    (void)state;
    const struct row rows[] = {{"alice and bob", "alice and b***"}};
    struct reducer *reducer = open_with(REDUCE_MASK, REDUCE_MASK);

    reduce_remember(reducer, SLICE("alice"));
    reduce_forget(reducer);
    reduce_remember(reducer, SLICE("bob"));
    CHECK(reducer, reduce_sentence, rows);
}

/* More names than are remembered: the first ones are hidden, nothing is written behind the list. */
static void remembers_so_many_names(void **state)
{
    (void)state;
    struct reducer *reducer = open_with(REDUCE_MASK, REDUCE_MASK);
    char names[2 * REDUCE_NAMES_MAX][8];
    char room[64];

    for (unsigned i = 0; i < 2 * REDUCE_NAMES_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "name%u", i);
        reduce_remember(reducer, slice_of_string(names[i]));
    }
    struct text text = text_into(room, sizeof room);
    reduce_sentence(reducer, SLICE("name0, name95, name96"), &text);
    assert_true(slice_equal(text_slice(&text), SLICE("n***, n***, name96")));
    reduce_close(reducer);
}

/* NUL, controls, half UTF-8, percent signs without digits, 300 bytes: hidden, and always the same. */
static void takes_any_bytes(void **state)
{
    (void)state;
    char longest[300];
    memset(longest, 'x', sizeof longest);
    const struct slice names[] = {
        slice_of("\0\0nul", 5),
        slice_of("\0", 1),
        SLICE("\x1b[2J"),
        SLICE("\xc3"),
        SLICE("\xc3\x28\xff"),
        SLICE("%"),
        SLICE("%4"),
        SLICE("%zz"),
        SLICE("%25%2541"),
        SLICE("%00%0d%0a"),
        SLICE("%c3%a9"),
        SLICE("=cmd|'/C calc'!A0"),
        SLICE("\xe2\x80\xae"
              "b"),
        slice_of(longest, sizeof longest),
    };
    struct reducer *reducer = open_with(REDUCE_HASH, REDUCE_HASH);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char rooms[2][REDUCE_TEXT_BYTES_MAX];
        struct text one = text_into(rooms[0], sizeof rooms[0]);
        struct text other = text_into(rooms[1], sizeof rooms[1]);
        reduce_name(reducer, names[i], &one);
        reduce_name(reducer, names[i], &other);
        assert_int_equal(one.bytes, 18);
        assert_true(slice_equal(text_slice(&one), text_slice(&other)));
        for (size_t j = 0; j < i; j++) {
            struct text before = text_into(rooms[1], sizeof rooms[1]);
            reduce_name(reducer, names[j], &before);
            assert_false(slice_equal(text_slice(&one), text_slice(&before)));
        }
    }
    reduce_close(reducer);
}

/* A raw byte, its escape, and what a sentence shows of it are one name. */
static void odd_bytes_join(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"caf\xc3\xa9", "u-4d28c2d191e1ee3a"}, {"caf%C3%A9", "u-4d28c2d191e1ee3a"},
        {"a\xff", "u-30da36d3b5f0ff42"},       {"a%FF", "u-30da36d3b5f0ff42"},
        {"a%ff", "u-30da36d3b5f0ff42"},        {"a\\xFF", "u-30da36d3b5f0ff42"},
    };

    CHECK(open_with(REDUCE_HASH, REDUCE_HASH), reduce_name, rows);
}

/* A URI that was cut before its @ could come: all of it is taken as the user. */
static void hides_a_uri_that_was_cut(void **state)
{
    (void)state;
    char uri[300];
    char room[REDUCE_TEXT_BYTES_MAX];
    struct reducer *reducer = open_with(REDUCE_MASK, REDUCE_MASK);
    struct text text = text_into(room, sizeof room);

    memset(uri, 'x', sizeof uri);
    memcpy(uri, "sip:", 4);
    reduce_uri(reducer, slice_of(uri, 256), &text);
    assert_true(slice_equal(text_slice(&text), SLICE("sip:x***")));
    reduce_close(reducer);
}

static void keys_identities(void **state)
{
    (void)state;
    const struct hash128 identity = {.high = 1, .low = 2};
    struct reducer *keyed = open_with(REDUCE_MASK, REDUCE_MASK);
    struct reducer *bare = NULL;
    struct error error;

    assert_int_equal(reduce_open(REDUCE_MASK, REDUCE_MASK, SLICE_NONE, &bare, &error), STATUS_OK);
    struct hash128 once = reduce_identity(keyed, identity);
    struct hash128 again = reduce_identity(keyed, identity);
    assert_true(once.high == again.high && once.low == again.low);
    assert_true(once.high != identity.high && once.low != identity.low);
    once = reduce_identity(bare, identity);
    assert_true(once.high == identity.high && once.low == identity.low);
    reduce_close(keyed);
    reduce_close(bare);
}

/* More names than the cache has rows: still each its own. */
static void the_cache_turns_over(void **state)
{
    (void)state;
    struct reducer *reducer = open_with(REDUCE_HASH, REDUCE_HASH);
    static char first[4 * REDUCE_NAME_ROWS][REDUCE_NAME_BYTES_MAX + 2];

    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < 4 * REDUCE_NAME_ROWS; i++) {
            char name[16];
            char room[REDUCE_NAME_BYTES_MAX + 2] = "";
            struct text text = text_into(room, sizeof room - 1);
            (void)snprintf(name, sizeof name, "user%u", i);
            reduce_name(reducer, slice_of_string(name), &text);
            if (turn == 0) {
                memcpy(first[i], room, sizeof room);
            }
            assert_string_equal(first[i], room);
        }
    }
    reduce_close(reducer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_has_one_hash),
        cmocka_unit_test(tells_numbers_from_users),
        cmocka_unit_test(hides_the_names_of_uris),
        cmocka_unit_test(joins_uris_with_names),
        cmocka_unit_test(hides_whole_words_of_sentences),
        cmocka_unit_test(hides_names_inside_of_what_others_wrote),
        cmocka_unit_test(forgets_the_names_of_the_last_record),
        cmocka_unit_test(remembers_so_many_names),
        cmocka_unit_test(takes_any_bytes),
        cmocka_unit_test(odd_bytes_join),
        cmocka_unit_test(hides_a_uri_that_was_cut),
        cmocka_unit_test(keys_identities),
        cmocka_unit_test(the_cache_turns_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
