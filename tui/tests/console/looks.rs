//! Colours, signs and sizes.

use booth_tui::settings::Colors;
use booth_tui::snapshot;
use ratatui::style::Color;

use crate::stage::Stage;

fn each_view(mut look: impl FnMut(&Stage)) {
    for (width, height) in [(60, 16), (80, 24), (100, 30), (200, 60)] {
        for keys in [
            "", "t", "g q", "space", "g c", "g l", "g h", "?", ": a", "d", "R",
        ] {
            let mut stage = Stage::full(width, height);
            stage.keys(keys);
            look(&stage);
        }
    }
}

#[test]
fn every_depth_of_colour_uses_its_own_colours_only() {
    each_view(|stage| {
        for (colors, light) in [
            (Colors::True, false),
            (Colors::True, true),
            (Colors::Indexed, false),
            (Colors::Ansi, true),
            (Colors::Mono, false),
        ] {
            let mut model = stage.model.clone();
            (model.settings.colors, model.settings.light) = (colors, light);
            for cell in snapshot::cells(&model).content() {
                for color in [cell.fg, cell.bg] {
                    let fits = match color {
                        Color::Reset => true,
                        Color::Rgb(..) => colors == Colors::True,
                        Color::Indexed(_) => colors == Colors::Indexed,
                        _ => colors == Colors::Ansi,
                    };
                    assert!(fits, "{color:?} with {colors:?}");
                }
            }
        }
    });
}

/// Nothing is told by colour alone: the characters are the same with and without.
#[test]
fn without_colour_everything_still_reads() {
    each_view(|stage| {
        let mut model = stage.model.clone();
        model.settings.colors = Colors::Mono;
        assert_eq!(snapshot::text(&snapshot::cells(&model)), stage.screen());
    });
}

#[test]
fn with_ascii_borders_every_cell_is_ascii() {
    each_view(|stage| {
        let mut model = stage.model.clone();
        model.settings.ascii = true;
        let screen = snapshot::text(&snapshot::cells(&model));
        assert!(
            screen.is_ascii(),
            "{:?} in\n{screen}",
            screen.chars().filter(|c| !c.is_ascii()).collect::<String>()
        );
        assert!(
            screen.contains("ON AIR")
                || stage.model.modal.is_some()
                || stage.model.view != booth_tui::model::View::Air,
            "{screen}"
        );
    });
}

/// Panels go, slots stay, from the least size up to a wall.
#[test]
fn on_air_is_seen_at_every_size() {
    for (width, height) in [
        (20, 4),
        (59, 40),
        (60, 16),
        (61, 17),
        (80, 24),
        (81, 23),
        (100, 18),
        (132, 43),
        (300, 100),
        (500, 200),
    ] {
        for slots in [1, 2, 3, 8, 12] {
            let mut stage = Stage::full(width, height);
            let mut all = crate::props::everything();
            all.slots
                .extend((3..=slots).map(|n| crate::props::slot(&n.to_string(), 9000 + n)));
            stage.snapshot(all);
            let screen = stage.screen();
            assert!(
                screen.contains("ON AIR"),
                "{width}x{height} {slots} slots\n{screen}"
            );
            assert!(
                screen.contains("Alpha"),
                "{width}x{height} {slots} slots\n{screen}"
            );
        }
    }
}

#[test]
fn a_picture_of_the_screen_is_made_of_the_same_cells() {
    let stage = Stage::full(100, 30);
    let svg = snapshot::svg(&snapshot::cells(&stage.model), false);
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("ON AIR") && svg.contains("Alpha"));
}

#[test]
fn half_block_pictures_are_drawn_on_the_card() {
    let mut jpeg = Vec::new();
    let picture = image::RgbImage::from_fn(320, 180, |x, y| {
        image::Rgb([(x % 256) as u8, (y % 180) as u8, 160])
    });
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode_image(&picture)
        .unwrap();
    let mut stage = Stage::full(100, 30);
    stage.keys("space");
    let caller = stage.model.queue.selected.clone().unwrap();
    stage.link(booth_tui::msg::LinkMsg::Picture { caller, jpeg });
    let mut pictures = booth_tui::pictures::Pictures::half_blocks();
    pictures.prepare(&stage.model);
    let screen = snapshot::text(&snapshot::cells_with(&stage.model, &pictures));
    assert!(
        screen.contains("▀▀▀▀") || screen.contains("▄▄▄▄"),
        "{screen}"
    );
    // One that is none is no picture, and no panic.
    let caller = stage.model.queue.selected.clone().unwrap();
    stage.forward(100);
    stage.link(booth_tui::msg::LinkMsg::Picture {
        caller,
        jpeg: vec![0xff, 0xd8, 1, 2, 3],
    });
    pictures.prepare(&stage.model);
    let screen = snapshot::text(&snapshot::cells_with(&stage.model, &pictures));
    assert!(!screen.contains("▀▀▀▀"), "{screen}");
}
