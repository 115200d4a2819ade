/* captured.h - one captured frame: when, which one, on what link, and its bytes.
 *
 * Owns      nothing.
 * Borrows   the bytes, which belong to who filled the block.
 * Time      the frame's stamp, ns since the epoch.
 * Bounds    none.
 * Errors    none.
 * Thread    any.
 *
 * Here, because those who read captures and those who unwrap frames know nothing of each other, and
 * a frame's six values as arguments cost as much as looking at its headers. */
#ifndef BASE_CAPTURED_H
#define BASE_CAPTURED_H

#include "base/slice.h"

/* 40 bytes. */
struct captured {
    uint64_t time_ns;
    uint64_t number; /* from 1, over all files of the run, in the order of delivery; live
                        made of the time (sensor/run/order.h) */
    const uint8_t *at;
    uint32_t captured; /* bytes that are there */
    uint32_t wire_bytes; /* bytes that were on the wire; >= captured (brought up to it if a file
                            says less) */
    uint16_t link_type; /* LINKTYPE_ value of the file format (DLT_ where they differ is mapped) */
    uint16_t interface; /* index over all interfaces of the run, from 0 */
    bool begins; /* the first of its file, where several files are read */
};

#endif
