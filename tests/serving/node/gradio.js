// gradio's JavaScript client: prints what it was answered.
import { Client } from "@gradio/client";

const [address, token] = process.argv.slice(2);
const client = await Client.connect(address, { headers: { Authorization: `Bearer ${token}` } });
const quick = { seed: 3, width: 64, height: 64, num_inference_steps: 2 };
const told = {};

const drawn = await client.predict("/draw", { prompt: "熊猫", ...quick });
told.pictures = drawn.data[0].pictures;
try {
  await client.predict("/draw", { prompt: "熊猫", width: 63 });
} catch (error) {
  told.refused = error.message;
}
try {
  await Client.connect(address);
} catch (error) {
  told.stranger = error.message;
}
console.log(JSON.stringify(told));
process.exit(); // it would listen to the server's heartbeat without end
