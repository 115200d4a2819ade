/* walk.h - what a reader of one capture format does with the bytes that are there.
 *
 * Owns      nothing.
 * Borrows   the bytes; the frames point into them.
 * Time      the frames' stamps.
 * Bounds    frames_max frames; `want` is never above RECORD_BYTES_MAX.
 * Errors    none: damage is `damaged`, with the frames before it delivered.
 * Thread    one at a time.
 *
 * The caller holds a window of a file. A walk turns the whole records at its beginning into frames,
 * says how many bytes it is done with, and how many it needs from there on to go further. The
 * caller fetches more and walks again; what was not used is offered again. So formats know nothing
 * of files, blocks and buffers, and one walk serves blocks that are read directly and the small
 * windows of a merge. */
#ifndef SENSOR_CAPTURE_WALK_H
#define SENSOR_CAPTURE_WALK_H

#include "sensor/capture/block.h"

struct walk {
    const uint8_t *at;
    size_t bytes;
    struct captured *frames;
    uint32_t frames_max;

    uint32_t frame_count;
    uint32_t frames_cut;
    uint32_t blocks_skipped;
    size_t used; /* bytes of the window that are done with */
    size_t want; /* bytes from there that the next step needs; above what is left, or frames are
                    full */
    bool between; /* nothing is open at `used`: a file may end here */
    bool damaged; /* nothing more will come: what follows is no record */
};

/* The most captured bytes that a record of this link type can have without being taken for damage:
 * 256 KiB, but bus and USB captures hold transfers of up to 128 MiB. */
static inline uint32_t walk_captured_max(uint16_t link_type)
{
    enum { LINK_DBUS = 231, LINK_EBHSCR = 279, LINK_USB = 189, LINK_USB_MMAPPED = 220 };
    enum { LINK_USBPCAP = 249, LINK_USB_DARWIN = 266 };

    switch (link_type) {
    case LINK_DBUS:
    case LINK_EBHSCR:
    case LINK_USB:
    case LINK_USB_MMAPPED:
    case LINK_USBPCAP:
    case LINK_USB_DARWIN:
        return 128 << 20;
    default:
        return FRAME_BYTES_MAX;
    }
}

/* Two DLT_ values that some systems write into files instead of the LINKTYPE_ value. */
static inline uint16_t walk_link_type(uint32_t stated)
{
    uint16_t link_type = (uint16_t)(stated & 0xffff);
    return link_type == 11 ? 100 /* ATM_RFC1483 */
           : link_type == 12 || link_type == 14
               ? 101 /* RAW */
               : (link_type == 19 ? 106 /* ATM_CLIP */ : link_type);
}

/* The number of the next interface of the run; the last number stands for all beyond it. */
static inline uint16_t walk_interface_after(uint16_t index)
{
    return index < UINT16_MAX ? (uint16_t)(index + 1) : index;
}

#endif
