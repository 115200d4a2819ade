/* protected.c - plain arrays, walked: the list is asked once a decision, and short.
 *
 * Beside what was added nothing is touched that is no host of the outside: unspecified, multicast,
 * broadcast, loopback, and the private and link-local networks unless they are allowed by name. */
#include "outputs/protected.h"

struct network {
    struct prefix prefix;
    char why[PROTECTED_WHY_BYTES];
};

struct name {
    char text[RESPONSE_VALUE_BYTES];
};

struct protected_list {
    struct network networks[PROTECTED_MAX];
    struct name accounts[PROTECTED_MAX];
    struct name numbers[PROTECTED_MAX];
    uint32_t network_count;
    uint32_t account_count;
    uint32_t number_count;
    struct option_networks allowed;
};

enum status protected_open(struct protected_list **out_list, struct error *error)
{
    struct protected_list *list = calloc(1, sizeof *list);

    if (list == NULL) {
        return error_set(error, STATUS_FAILED, "response", "no memory for the never-block list");
    }
    *out_list = list;
    return STATUS_OK;
}

void protected_close(struct protected_list *list)
{
    free(list);
}

static bool has_network(const struct protected_list *list, const struct prefix *prefix)
{
    for (uint32_t i = 0; i < list->network_count; i++) {
        const struct prefix *other = &list->networks[i].prefix;
        if (other->bits == prefix->bits && addr_equal(&other->addr, &prefix->addr)) {
            return true;
        }
    }
    return false;
}

bool protected_add(struct protected_list *list, const struct prefix *prefix, const char *why)
{
    if (has_network(list, prefix)) {
        return true;
    }
    if (list->network_count == PROTECTED_MAX) {
        return false;
    }
    struct network *network = &list->networks[list->network_count++];
    network->prefix = *prefix;
    struct text text = text_into(network->why, sizeof network->why - 1);
    text_slice_put(&text, slice_part(slice_of_string(why), 0, sizeof network->why - 1));
    return true;
}

static bool has_name(const struct name *names, uint32_t count, struct slice text)
{
    for (uint32_t i = 0; i < count; i++) {
        if (slice_equal(slice_of_string(names[i].text), text)) {
            return true;
        }
    }
    return false;
}

static bool add_name(struct name *names, uint32_t *count, struct slice text)
{
    if (has_name(names, *count, text)) {
        return true;
    }
    if (*count == PROTECTED_MAX || text.bytes >= sizeof names->text) {
        return false;
    }
    struct name *name = &names[(*count)++];
    memset(name, 0, sizeof *name);
    if (text.bytes > 0) {
        memcpy(name->text, text.at, text.bytes);
    }
    return true;
}

bool protected_add_account(struct protected_list *list, struct slice account)
{
    return add_name(list->accounts, &list->account_count, account);
}

bool protected_add_number(struct protected_list *list, struct slice number)
{
    return add_name(list->numbers, &list->number_count, number);
}

void protected_allow(struct protected_list *list, const struct option_networks *networks)
{
    list->allowed = *networks;
}

/* --- what one list has and another has not --- */

static bool has_entry(const struct protected_list *list, const struct protected_entry *entry)
{
    struct slice text = slice_of_string(entry->text);

    switch ((enum protected_kind)entry->kind) {
    case PROTECTED_NETWORK:
        return has_network(list, &entry->prefix);
    case PROTECTED_ACCOUNT:
        return has_name(list->accounts, list->account_count, text);
    case PROTECTED_NUMBER:
        return has_name(list->numbers, list->number_count, text);
    case PROTECTED_KINDS:
        break;
    }
    return false;
}

bool protected_add_entry(struct protected_list *list, const struct protected_entry *entry)
{
    switch ((enum protected_kind)entry->kind) {
    case PROTECTED_NETWORK:
        return protected_add(list, &entry->prefix, entry->text);
    case PROTECTED_ACCOUNT:
        return protected_add_account(list, slice_of_string(entry->text));
    case PROTECTED_NUMBER:
        return protected_add_number(list, slice_of_string(entry->text));
    case PROTECTED_KINDS:
        break;
    }
    return false;
}

/* The entries of all kinds in a row; false: there are no more. */
static bool entry_at(const struct protected_list *list, uint32_t index,
                     struct protected_entry *out_entry)
{
    struct protected_entry entry = {.kind = PROTECTED_NETWORK};

    if (index < list->network_count) {
        entry.prefix = list->networks[index].prefix;
        memcpy(entry.text, list->networks[index].why, sizeof list->networks[index].why);
    } else if ((index -= list->network_count) < list->account_count) {
        entry.kind = PROTECTED_ACCOUNT;
        memcpy(entry.text, list->accounts[index].text, sizeof entry.text);
    } else if ((index -= list->account_count) < list->number_count) {
        entry.kind = PROTECTED_NUMBER;
        memcpy(entry.text, list->numbers[index].text, sizeof entry.text);
    } else {
        return false;
    }
    *out_entry = entry;
    return true;
}

bool protected_missing(const struct protected_list *list, const struct protected_list *wanted,
                       bool (*take)(void *owner, const struct protected_entry *entry), void *owner,
                       uint32_t *out_more)
{
    struct protected_entry entry;

    *out_more = 0;
    for (uint32_t i = 0; entry_at(list, i, &entry); i++) {
        *out_more += !has_entry(wanted, &entry);
    }
    for (uint32_t i = 0; entry_at(wanted, i, &entry); i++) {
        if (!has_entry(list, &entry) && !take(owner, &entry)) {
            return false;
        }
    }
    return true;
}

uint32_t protected_networks(const struct protected_list *list)
{
    return list->network_count;
}

static const char *why_addr(const struct protected_list *list, const struct addr *addr)
{
    if (addr_is_unspecified(addr) || addr_is_multicast(addr) || addr_is_broadcast(addr)) {
        return "not the address of one host";
    }
    for (uint32_t i = 0; i < list->network_count; i++) {
        if (prefix_contains(&list->networks[i].prefix, addr)) {
            return list->networks[i].why;
        }
    }
    if (addr_is_private(addr) && !option_networks_have(&list->allowed, addr)) {
        return "a private address (see response.allow_private)";
    }
    return NULL;
}

/* "alice" stands for alice at any host. */
static bool names_account(const struct name *name, struct slice account)
{
    struct slice text = slice_of_string(name->text);
    size_t at = slice_find_last(account, '@');

    if (slice_find(text, '@') == text.bytes) {
        return slice_equal(text, slice_part(account, 0, at));
    }
    struct response_target one = {.type = RESPONSE_TARGET_ACCOUNT};
    struct response_target other = {.type = RESPONSE_TARGET_ACCOUNT};
    memcpy(one.value, name->text, sizeof one.value);
    memcpy(other.value, account.at, account.bytes);
    return response_target_equal(&one, &other);
}

static struct slice without_plus(struct slice number)
{
    return slice_from(number, slice_starts_with(number, SLICE("+")) ? 1 : 0);
}

/* An account may be named after a number that must be kept: 112@pbx.example. */
static bool is_kept_number(const struct protected_list *list, struct slice number)
{
    for (uint32_t i = 0; i < list->number_count; i++) {
        if (slice_equal(without_plus(slice_of_string(list->numbers[i].text)),
                        without_plus(number))) {
            return true;
        }
    }
    return false;
}

const char *protected_why(const struct protected_list *list, const struct response_target *target)
{
    struct slice value = slice_of_string(target->value);

    switch ((enum response_target_type)target->type) {
    case RESPONSE_TARGET_IP:
        return why_addr(list, &target->addr);
    case RESPONSE_TARGET_ACCOUNT:
        for (uint32_t i = 0; i < list->account_count; i++) {
            if (names_account(&list->accounts[i], value)) {
                return "an account of response.protect_accounts";
            }
        }
        return is_kept_number(list, slice_part(value, 0, slice_find_last(value, '@')))
                   ? "an emergency or protected number"
                   : NULL;
    case RESPONSE_TARGET_NUMBER:
        return is_kept_number(list, value) ? "an emergency or protected number" : NULL;
    case RESPONSE_TARGET_NONE:
    case RESPONSE_TARGET_TYPES:
        break;
    }
    return NULL;
}
