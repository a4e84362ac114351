// Hugging Face's JavaScript client: prints what it was answered, pictures in base64.
import { InferenceClient } from "@huggingface/inference";

const [address, accessToken, picture] = process.argv.slice(2);
const client = new InferenceClient(accessToken);
const base64 = async (blob) => Buffer.from(await blob.arrayBuffer()).toString("base64");
const parameters = { num_inference_steps: 2, width: 64, height: 64, seed: 3 };
const image = new Blob([Buffer.from(picture, "base64")]);
const told = {};

const ofText = await client.textToImage(
  { endpointUrl: `${address}/hf`, inputs: "熊猫", parameters }, { outputType: "blob" });
told.text = [ofText.type, await base64(ofText)];
const ofPicture = await client.imageToImage({
  endpointUrl: `${address}/hf/models/pai-diffusion-mini-zh`, inputs: image,
  parameters: { prompt: "红墙", strength: 0.5, ...parameters },
});
told.picture = [ofPicture.type, await base64(ofPicture)];
for (const [name, model, inputs] of [["refused", "", ""], ["missing", "/models/other", "熊猫"]]) {
  try {
    await client.textToImage({ endpointUrl: `${address}/hf${model}`, inputs });
  } catch (error) {
    told[name] = [error.httpResponse.status, error.message];
  }
}
console.log(JSON.stringify(told));
