//! Devices of a story's members: how they leave and come back.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::play::{Member, Stage};
use super::story::{BOTH, Cursor};
use crate::socket::Heard;

impl Stage<'_> {
    /// The second device goes offline, and the server knows.
    pub async fn leave(&mut self, who: usize) {
        let member = &mut self.members[who];
        member.devices[1].socket = None;
        let asked = json!({ "users": [member.id] });
        loop {
            let path = "/api/v1/presence";
            let answer = self
                .forum
                .post(self.world, path, asked.clone())
                .await
                .json();
            if answer["users"][&member.id]["sockets"] == 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub async fn connect(&mut self, who: usize, device: usize, with: Cursor) {
        let Member {
            login,
            list,
            devices,
            ..
        } = &mut self.members[who];
        let device = &mut devices[device];
        let (since, mut is_covered) = (device.view.seq, list.covers(device.view.seq, self.hour));
        let cursor = match with {
            Cursor::Own | Cursor::OwnV2 => Some(device.view.cursor()),
            Cursor::None => None,
            Cursor::Elsewhere => Some(json!({ "epoch": "elsewhere", "since": since })),
            Cursor::Ahead => {
                let ahead = json!({ "epoch": device.view.epoch, "since": list.seq + 1 });
                Some(ahead)
            }
        };
        is_covered &= matches!(with, Cursor::Own | Cursor::OwnV2);
        let is_told = match with {
            Cursor::OwnV2 => device.connect_v2(self.world, login).await,
            _ => device.connect(self.world, login, cursor).await,
        };
        assert_eq!(
            is_told, is_covered,
            "{with:?} since {since} of {}",
            list.seq
        );
    }

    /// The devices that were online hear of the stop, leave, and come back by their cursors.
    pub async fn restart(&mut self) {
        let mut online = Vec::new();
        for who in BOTH {
            for device in 0..2 {
                let socket = self.members[who].devices[device].socket.take();
                online.extend(socket.map(|socket| (who, device, socket)));
            }
        }
        let back: Vec<_> = online
            .iter()
            .map(|(who, device, _)| (*who, *device))
            .collect();
        let leave = async {
            for (_, _, mut socket) in online {
                match socket.next().await {
                    Heard::Disconnected | Heard::Closed => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::join!(self.world.stop(), leave);
        move_house(&mut self.world.config.data).expect("a copy of the folder");
        self.world.restart().await;
        for (who, device) in back {
            self.connect(who, device, Cursor::Own).await;
        }
    }
}

/// A copy of the folder takes its place: in one process the old file can stay locked for as long
/// as some socket's task has not ended.
fn move_house(data: &mut PathBuf) -> std::io::Result<()> {
    let new = data.with_extension(getrandom::u32().expect("chance").to_string());
    fs::create_dir(&new)?;
    fs::set_permissions(&new, fs::metadata(&data)?.permissions())?;
    for file in ["bellrope.redb", "session.key"] {
        fs::copy(data.join(file), new.join(file))?;
    }
    fs::remove_dir_all(&data)?;
    *data = new;
    Ok(())
}
